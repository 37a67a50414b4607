// How a worker begins: init, or the State that is there; what the last worker's death left to do;
// handle_start.
#include <algorithm>
#include <new>
#include <string_view>
#include <vector>

#include "common/segment/history.hpp"
#include "common/segment/judgement.hpp"
#include "common/segment/message.hpp"
#include "peeper/allocator.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/crash_handler.hpp"
#include "worker/runtime/host.hpp"
#include "worker/runtime/runtime.hpp"

namespace peeper::worker {

using segment::Channel;

void Runtime::start(const InitArguments& arguments) {
  const abi::Host& host =
      make_host(services_, heap_, guard_, {segment_.id().server, options_.incarnation});
  peeper::detail::attach(&host);  // for the runtime's own containers
  behaviour_.attach(&host);       // the behaviour's shared object has its own
  object_ = barrier([&] { return behaviour_.create(); });
  if (transaction_.sequence() == 0 || transaction_.begins_anew())
    first_start(arguments);
  else
    adopt_state();
  handle_start();
  show_memory();
  control_.worker.phase.store(segment::Phase::kReady, std::memory_order_release);
  services_.ring();
}

void Runtime::first_start(const InitArguments& arguments) {
  std::vector<abi::Bytes> values;
  for (const std::string& value : arguments.values) values.push_back({value.data(), value.size()});
  begin(Channel::kInit, 0, PageGuard::Access::kWrites);
  barrier([&] {
    heap_.format();
    void* state = heap_.allocate(behaviour_.state.size, behaviour_.state.alignment);
    heap_.set_state(state);
    heap_.fingerprint() = fingerprint_of(behaviour_.state);
    const abi::Sink sink = fresh_sink();
    behaviour_.init(object_, state, values.data(), values.size(), arguments.named, &sink);
    transaction_.set_begin_anew(false);
    apply_then();
  });
  commit(transaction_.mailbox_head());
}

void Runtime::adopt_state() {
  const std::string& path = segment_.id().path();
  if (!heap_.is_formatted())
    die(segment::CrashKind::kRefused,
        "the heap in segment " + path +
            " is damaged; to start over with an empty state, stop peeperd and remove it: rm " +
            path);
  const Fingerprint& had = heap_.fingerprint();
  if (is_same(had, behaviour_.state)) return;
  const abi::CodeChange* change =
      options_.upgrade ? code_change_from(had, behaviour_) : nullptr;
  if (change == nullptr)
    die(segment::CrashKind::kRefused, difference(had, behaviour_.state, path));
  change_code(*change);
}

// The old State goes and the new one comes in one transaction, the fingerprint and the new code's
// handle_start with it: while any of that can fail, the old code can go on.
void Runtime::change_code(const abi::CodeChange& change) {
  begin_start(Channel::kCodeChange);
  barrier([&] {
    settle_last();
    void* old_state = heap_.state();
    void* state = heap_.allocate(behaviour_.state.size, behaviour_.state.alignment);
    change.change(object_, heap_.fingerprint().version, old_state, state);
    heap_.deallocate(old_state);
    heap_.set_state(state);
    heap_.fingerprint() = fingerprint_of(behaviour_.state);
    run_start();
  });
  commit(transaction_.mailbox_head());
}

// What the last worker died of and only a worker can write down: that something the heap held is
// dropped, as the keeper judged; that a message of another server was, so that it doesn't count as
// new when it is delivered again. It shares a transaction with the first code that runs: a worker
// that dies in there leaves the same to do again, and new code has changed nothing.
void Runtime::settle_last() {
  if (is_judged()) {
    segment::Dying dying{};
    dying.channel = control_.in_flight.channel;
    const auto history = segment::read_history(segment_);
    if (!history.empty()) {
      const segment::Crash& last = history.back();
      dying.at_ns = last.at_ns;
      dying.incarnation = last.incarnation;
      dying.cause = last.text;
    }
    drop_kept(dying.channel, control_.in_flight.position, dying);
  }
  const segment::Dropped dropped = transaction_.dropped();
  if (dropped.stream != 0) {
    try {
      note_dropped(dropped);
      transaction_.set_dropped({});
    } catch (const OutOfStateMemory&) {
      // The first message of its sender, and no room for one number more. It stays to be noted at
      // the next start, unless another is dropped before. Only a server that runs can make room.
    }
  }
}

// Did the keeper judge that something the heap holds is to be dropped?
bool Runtime::is_judged() const {
  const segment::InFlight& flying = control_.in_flight;
  return flying.sequence.load(std::memory_order_acquire) == transaction_.sequence() + 1 &&
         segment::is_kept_in_heap(flying.channel) &&
         flying.verdict.load(std::memory_order_acquire) ==
             static_cast<std::uint32_t>(segment::Verdict::kDrop);
}

// A judgement stays written down until the commit, for whoever must do this again.
void Runtime::begin_start(Channel channel) {
  if (!is_judged()) return begin(channel, 0, PageGuard::Access::kWrites);
  transaction_.begin_drop();
  enter(channel, 0, PageGuard::Access::kWrites);
}

void Runtime::note_dropped(const segment::Dropped& message) {
  Durable& kept = services_.change();
  if (message.call != 0) return kept.timers.lose_answer(message.call);
  std::uint64_t& last = kept.streams[message.stream];
  last = std::max(last, message.number);
}

void Runtime::drop_kept(Channel channel, std::uint64_t number, segment::Dying dying) {
  Durable& kept = services_.change();
  switch (channel) {
    case Channel::kContinue:
      if (!kept.continues.empty() && kept.continues.front().number == number)
        kept.continues.pop_front();
      return;
    case Channel::kTimer:
      if (const auto timer = kept.timers.take(number)) keep_as_letter(*timer, dying);
      return;
    case Channel::kTimeout: kept.timeout_at = 0; return;
    case Channel::kNone:
    case Channel::kInit:
    case Channel::kMailbox:
    case Channel::kClient:
    case Channel::kTerminate:
    case Channel::kStart:
    case Channel::kCodeChange:
    case Channel::kSystem: return;
  }
}

// Those of calls say only that there was no answer.
void Runtime::keep_as_letter(const Timer& timer, const segment::Dying& dying) {
  if (timer.kind != Timer::Kind::kMessage) return;
  const std::vector<std::string_view> strings{timer.strings.begin(), timer.strings.end()};
  segment::MessageHead head{};
  head.bytes = static_cast<std::uint32_t>(segment::record_bytes<segment::MessageHead>(strings));
  head.type = segment::MessageType::kInfo;
  head.strings = static_cast<std::uint32_t>(strings.size());
  std::vector<std::byte> body(head.bytes - sizeof head);
  segment::write_strings(body.data(), strings);
  transaction_.add_letter(dying, head, body);
}

void Runtime::handle_start() {
  const bool starts = behaviour_.start != nullptr && !has_started_;
  if (!starts && !is_judged() && transaction_.dropped().stream == 0) return;
  begin_start(Channel::kStart);
  barrier([&] {
    settle_last();
    if (starts) run_start();
  });
  commit(transaction_.mailbox_head());
}

void Runtime::run_start() {
  has_started_ = true;
  if (behaviour_.start == nullptr) return;
  const abi::Sink sink = fresh_sink();
  settle_info(behaviour_.start(object_, heap_.state(), &sink));
}

}  // namespace peeper::worker
