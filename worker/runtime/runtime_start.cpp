// How a worker begins: init, or the State that is there; what the last worker's death left to do;
// handle_start.
#include <new>

#include "common/segment/judgement.hpp"
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
  if (transaction_.sequence() == 0)
    first_start(arguments);
  else
    adopt_state();
  drop_judged();
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
  begin(Channel::kCodeChange, 0, PageGuard::Access::kWrites);
  barrier([&] {
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

// What the heap held and the last worker died of: the keeper has judged it, we carry it out. A
// worker that dies in here finds the same judgement again.
void Runtime::drop_judged() {
  const segment::InFlight& flying = control_.in_flight;
  const bool judged =
      flying.sequence.load(std::memory_order_acquire) == transaction_.sequence() + 1 &&
      segment::is_kept_in_heap(flying.channel) &&
      flying.verdict.load(std::memory_order_acquire) ==
          static_cast<std::uint32_t>(segment::Verdict::kDrop);
  if (!judged) return;
  transaction_.begin_drop();
  services_.open(PageGuard::Access::kWrites);
  drop_kept(flying.channel, flying.position);
  commit(transaction_.mailbox_head());
}

void Runtime::drop_kept(Channel channel, std::uint64_t number) {
  Durable& kept = services_.change();
  switch (channel) {
    case Channel::kContinue:
      if (!kept.continues.empty() && kept.continues.front().number == number)
        kept.continues.pop_front();
      return;
    case Channel::kTimer: kept.timers.take(number); return;
    case Channel::kTimeout: kept.timeout_at = 0; return;
    case Channel::kNone:
    case Channel::kInit:
    case Channel::kMailbox:
    case Channel::kTerminate:
    case Channel::kStart:
    case Channel::kCodeChange: return;
  }
}

void Runtime::handle_start() {
  if (behaviour_.start == nullptr || has_started_) return;
  begin(Channel::kStart, 0, PageGuard::Access::kWrites);
  barrier([&] { run_start(); });
  commit(transaction_.mailbox_head());
}

void Runtime::run_start() {
  has_started_ = true;
  if (behaviour_.start == nullptr) return;
  const abi::Sink sink = fresh_sink();
  settle_info(behaviour_.start(object_, heap_.state(), &sink));
}

}  // namespace peeper::worker
