#include "worker/runtime/runtime.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <stdexcept>

#include "common/check.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/death.hpp"
#include "common/segment/futex.hpp"
#include "common/segment/message.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/crash_handler.hpp"

namespace peeper::worker {
namespace {

using segment::Channel;

// What the C interfaces below need and can't be handed: SIGTERM's handler, the host's functions.
volatile std::sig_atomic_t stop_requested = 0;
pid_t own_pid = 0;
segment::Atomic32* own_bell = nullptr;
Heap* the_heap = nullptr;
PageGuard* the_guard = nullptr;
bool in_transaction = false;

// The bell makes a wait that is about to begin return at once. A child that a callback forked has
// the handler too, and no bell: it ends as any process does.
void on_sigterm(int signal) {
  if (::getpid() != own_pid) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  stop_requested = 1;
  own_bell->fetch_add(1, std::memory_order_relaxed);
}

void* host_allocate(std::size_t bytes, std::size_t alignment) {
  if (!in_transaction)
    throw std::logic_error("the heap may change only in a callback, on its own thread");
  return the_heap->allocate(bytes, alignment);
}

void host_deallocate(void* memory) noexcept { the_heap->deallocate(memory); }

void host_touch(const void* memory, std::size_t bytes) { the_guard->touch(memory, bytes); }

constexpr abi::Host kHost{sizeof(abi::Host), abi::kSdkVersion, host_allocate, host_deallocate,
                          host_touch};

// Measured once a segment: /dev/shm does not outlive the machine's boot.
std::uint32_t break_even_of(segment::WorkerStatus& status) {
  std::uint32_t break_even = status.break_even.load(std::memory_order_relaxed);
  if (break_even == 0) {
    break_even = measure_break_even();
    status.break_even.store(break_even, std::memory_order_relaxed);
  }
  return break_even;
}

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// "std::runtime_error: boom" of the exception being handled.
std::string exception_text() {
  std::string text = "an exception of unknown type";
  if (const std::type_info* type = __cxxabiv1::__cxa_current_exception_type()) {
    const std::unique_ptr<char, void (*)(void*)> name{
        __cxxabiv1::__cxa_demangle(type->name(), nullptr, nullptr, nullptr), std::free};
    text = name ? name.get() : type->name();
  }
  try {
    throw;
  } catch (const OutOfStateMemory& e) {
    text = e.what();
  } catch (const std::exception& e) {
    text += std::string(": ") + e.what();
  } catch (...) {
  }
  return text;
}

// Where a callback's outcome goes: the runtime's own buffers.
struct Outcome {
  std::string& value;
  std::string& stop_reason;
  std::size_t most;
};

void sink_write(void* context, const char* data, std::size_t size) {
  auto& outcome = *static_cast<Outcome*>(context);
  if (size > outcome.most - outcome.value.size())
    throw std::length_error("the reply is larger than half of the mailbox; raise 'mailbox'");
  outcome.value.append(data, size);
}

void sink_stop_reason(void* context, const char* data, std::size_t size) {
  static_cast<Outcome*>(context)->stop_reason.assign(data, size);
}

abi::MessageKind kind_of(segment::MessageType type) {
  switch (type) {
    case segment::MessageType::kCall: return abi::MessageKind::kCall;
    case segment::MessageType::kCast: return abi::MessageKind::kCast;
    case segment::MessageType::kInfo: return abi::MessageKind::kInfo;
    case segment::MessageType::kGetState: break;
  }
  PEEPER_CHECK(false, "a message of no known type");
}

}  // namespace

template <class Callback>
decltype(auto) Runtime::barrier(Callback&& callback) {
  try {
    return callback();
  } catch (...) {
    die(segment::CrashKind::kException, exception_text());
  }
}

Runtime::Runtime(segment::Segment& segment, const abi::Behaviour& behaviour, int bell)
    : segment_(segment),
      control_(segment.control()),
      behaviour_(behaviour),
      bell_(bell),
      transaction_(segment),
      guard_(segment, transaction_.journal(), break_even_of(control_.worker)),
      heap_(segment, guard_) {
  own_pid = ::getpid();
  own_bell = &control_.mailbox.bell;
  the_heap = &heap_;
  the_guard = &guard_;
  guard_heap(guard_);
  struct sigaction action {};
  action.sa_handler = on_sigterm;
  ::sigemptyset(&action.sa_mask);
  PEEPER_CHECK(::sigaction(SIGTERM, &action, nullptr) == 0, "no handler for SIGTERM");
}

void Runtime::start(const InitArguments& arguments) {
  behaviour_.attach(&kHost);
  object_ = barrier([&] { return behaviour_.create(); });
  if (transaction_.sequence() == 0) {
    std::vector<abi::Bytes> values;
    for (const std::string& value : arguments.values) values.push_back({value.data(), value.size()});
    begin(Channel::kInit, 0, PageGuard::Access::kWrites);
    barrier([&] {
      heap_.format();
      void* state = heap_.allocate(behaviour_.state.size, behaviour_.state.alignment);
      heap_.set_state(state);
      behaviour_.init(object_, state, values.data(), values.size(), arguments.named);
    });
    write_fingerprint(segment_, behaviour_.state);
    commit(transaction_.mailbox_head());
  } else {
    if (const auto same = check_fingerprint(segment_, behaviour_.state); !same)
      die(segment::CrashKind::kRefused, same.error().what);
    if (!heap_.is_formatted())
      die(segment::CrashKind::kRefused,
          "the heap in segment " + segment_.id().path() +
              " is damaged; to start over with an empty state, stop peeperd and remove it: rm " +
              segment_.id().path());
  }
  show_memory();
  control_.worker.phase.store(segment::Phase::kReady, std::memory_order_release);
  ring();
}

int Runtime::run() {
  const segment::Ring& mailbox = segment_.mailbox();
  while (stop_requested == 0) {
    const std::uint64_t head = transaction_.mailbox_head();
    const auto found = mailbox.find<segment::MessageHead>(
        head, control_.mailbox.tail.load(std::memory_order_acquire));
    if (found.status == found.kEmpty) {
      wait_for_message(head);
    } else {
      PEEPER_CHECK(found.status == found.kRecord, "the mailbox was overwritten");
      if (handle(found) == Next::kStop) break;
    }
  }
  terminate();
  control_.worker.phase.store(segment::Phase::kStopped, std::memory_order_release);
  const bool in_order = stop_reason_ == "normal" || stop_reason_ == "shutdown";
  if (!in_order) die(segment::CrashKind::kException, "stopped: " + stop_reason_);
  return 0;
}

Runtime::Next Runtime::handle(const segment::Ring::Found<segment::MessageHead>& message) {
  begin(Channel::kMailbox, message.position, access_of(message.head.type));
  value_.clear();
  strings_.clear();
  const bool readable = segment::read_strings(
      message.head, message.body,
      [&](std::string_view text) { strings_.push_back({text.data(), text.size()}); });
  PEEPER_CHECK(readable, "a message in the mailbox was overwritten");

  const Next next = dispatch(message.head);
  const bool replies = !value_.empty() && message.head.request != 0;
  if (replies) reply(message.head, value_);
  in_transaction = false;
  transaction_.commit(message.position + message.head.bytes);
  ring_daemon(replies);
  // After the answer is out: it need not wait for the pages.
  guard_.end_message();
  show_memory();
  return next;
}

// Runs the callback; leaves the reply, if there is one, in value_.
Runtime::Next Runtime::dispatch(const segment::MessageHead& head) {
  Outcome outcome{value_, stop_reason_, transaction_.largest_value()};
  const abi::Sink sink{&outcome, sink_write, sink_stop_reason};
  if (head.type == segment::MessageType::kGetState) {
    barrier([&] { behaviour_.format_state(object_, heap_.state(), &sink); });
    return Next::kGoOn;
  }
  const abi::Message message{kind_of(head.type), head.strings - 1, strings_[0],
                             strings_.data() + 1, abi::From{head.request, head.epoch, 0}};
  const abi::Action action =
      barrier([&] { return behaviour_.handle(object_, heap_.state(), &message, &sink); });
  switch (action) {
    case abi::Action::kReply: return Next::kGoOn;
    case abi::Action::kReplyAndStop: return Next::kStop;
    case abi::Action::kNoReply: value_.clear(); return Next::kGoOn;
    case abi::Action::kStop: value_.clear(); return Next::kStop;
    case abi::Action::kUnhandled:
      value_.clear();
      if (head.type == segment::MessageType::kCall)
        resp::append_error(value_, "BADARG server '" + segment_.id().server +
                                       "' has no handle_call");
      return Next::kGoOn;
  }
  PEEPER_CHECK(false, "the behaviour returned no known action");
}

void Runtime::reply(const segment::MessageHead& head, std::string_view value) {
  const auto bytes = static_cast<std::uint32_t>(value.size());
  std::byte* room = transaction_.add_reply(head.request, head.epoch, bytes);
  while (room == nullptr) {
    wait_for_room();
    room = transaction_.add_reply(head.request, head.epoch, bytes);
  }
  std::memcpy(room, value.data(), value.size());
}

// The daemon arms its bell before it sleeps and looks once more; this looks for the arming after
// having published. Full fences on both sides: one of the two sees the other.
void Runtime::ring_daemon(bool replied) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  bool wanted = replied && control_.replies.armed.load(std::memory_order_relaxed) != 0 &&
                control_.replies.armed.exchange(0, std::memory_order_relaxed) != 0;
  if (control_.mailbox.producer_waits.load(std::memory_order_relaxed) != 0) {
    control_.mailbox.producer_waits.store(0, std::memory_order_relaxed);
    wanted = true;
  }
  if (wanted) ring();
}

void Runtime::ring() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bell_, &one, sizeof one);
}

// The counterpart of ring_daemon: the daemon publishes the tail, then looks at `sleeping`.
void Runtime::wait_for_message(std::uint64_t head) {
  segment::MailboxEnds& ends = control_.mailbox;
  const std::uint32_t seen = ends.bell.load(std::memory_order_acquire);
  ends.sleeping.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.tail.load(std::memory_order_relaxed) == head && stop_requested == 0)
    segment::futex_wait(ends.bell, seen);
  ends.sleeping.store(0, std::memory_order_relaxed);
}

// As wait_for_message, for the other ring: the daemon publishes the head, then looks at
// `writer_waits`. It drains as long as it lives, and our end comes with its own.
void Runtime::wait_for_room() {
  segment::ReplyEnds& ends = control_.replies;
  ring();
  const std::uint64_t head = ends.head.load(std::memory_order_acquire);
  const std::uint32_t seen = ends.room.load(std::memory_order_acquire);
  ends.writer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.head.load(std::memory_order_relaxed) == head) segment::futex_wait(ends.room, seen);
  ends.writer_waits.store(0, std::memory_order_relaxed);
}

void Runtime::terminate() {
  begin(Channel::kTerminate, 0, PageGuard::Access::kWrites);
  barrier([&] {
    behaviour_.terminate(object_, heap_.state(), {stop_reason_.data(), stop_reason_.size()});
  });
  commit(transaction_.mailbox_head());
}

// --- Around each transaction ---------------------------------------------------------------------

// A callback that takes its State by const reference is believed: nothing is saved for it.
PageGuard::Access Runtime::access_of(segment::MessageType type) const {
  using segment::MessageType;
  const bool reads_only =
      type == MessageType::kGetState ||
      (type == MessageType::kCall && (behaviour_.flags & abi::kCallReadsOnly) != 0) ||
      (type == MessageType::kCast && (behaviour_.flags & abi::kCastReadsOnly) != 0) ||
      (type == MessageType::kInfo && (behaviour_.flags & abi::kInfoReadsOnly) != 0);
  return reads_only ? PageGuard::Access::kReadsOnly : PageGuard::Access::kWrites;
}

void Runtime::begin(Channel channel, std::uint64_t position, PageGuard::Access access) {
  transaction_.begin(channel, position, now_ns());
  // An earlier message's wild write, since committed, may have hit the root.
  if (channel != Channel::kInit)
    PEEPER_CHECK(heap_.is_formatted(), "the heap's root was overwritten");
  guard_.begin_message(access);
  in_transaction = access == PageGuard::Access::kWrites;
}

void Runtime::commit(std::uint64_t mailbox_head) {
  in_transaction = false;
  transaction_.commit(mailbox_head);
  guard_.end_message();
}

void Runtime::show_memory() {
  segment::WorkerStatus& status = control_.worker;
  status.heap_used.store(heap_.used(), std::memory_order_relaxed);
  status.heap_high_water.store(heap_.high_water(), std::memory_order_relaxed);
  status.faults.store(guard_.counts().faults, std::memory_order_relaxed);
  status.copies.store(guard_.counts().copied, std::memory_order_relaxed);
  status.hot_pages.store(static_cast<std::uint32_t>(guard_.hot_pages()),
                         std::memory_order_relaxed);
}

}  // namespace peeper::worker
