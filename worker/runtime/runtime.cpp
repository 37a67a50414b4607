// The loop, and the ends: stop, terminate, exceptions.
#include "worker/runtime/runtime.hpp"

#include <malloc.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/check.hpp"
#include "common/clock.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/death.hpp"
#include "common/segment/futex.hpp"
#include "worker/runtime/backtrace.hpp"
#include "worker/runtime/crash_handler.hpp"
#include "worker/runtime/stop_signals.hpp"

namespace peeper::worker {
namespace {

using segment::Channel;

// So long after the last message hot pages are protected. Doing so at each sleep, and undoing it,
// would make the calls of a client that waits for each a sixth slower.
constexpr std::uint64_t kRestAfterNs = 1'000'000;
// One of so many: two looks at the clock cost more than a commit does.
constexpr std::uint64_t kTimedCommits = 64;
// In one go, from clients that each wait for their reply.
constexpr std::uint32_t kFewMessages = 2;

// A count that only this process writes.
void raise(segment::Atomic64& count, std::uint64_t by) {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace

Runtime::Runtime(segment::Segment& segment, const abi::Behaviour& behaviour,
                 Descriptors descriptors, RuntimeOptions options)
    : segment_(segment),
      control_(segment.control()),
      behaviour_(behaviour),
      options_(options),
      transaction_(segment),
      guard_(segment, transaction_.journal(), options.break_even),
      heap_(segment, guard_),
      services_(segment, transaction_, clients_, guard_, heap_, descriptors.bell,
                options.dedupe_window),
      busy_poll_(options.busy_poll),
      line_(descriptors.line),
      // Those that are open already are to be attended to first of all.
      clients_seen_(control_.mailbox.clients_changed.load(std::memory_order_relaxed) - 1) {
  control_.worker.break_even.store(options.break_even, std::memory_order_relaxed);
  control_.mailbox.suspended.store(0, std::memory_order_relaxed);  // what the last one did
  for (segment::Atomic64* count : {&control_.counts.state_writes, &control_.counts.state_changes,
                                   &control_.counts.commits_timed, &control_.counts.commit_ns})
    count->store(0, std::memory_order_relaxed);
  guard_heap(guard_);
  install_stop_signals(control_.mailbox.bell, options.daemon);
}

int Runtime::run() {
  const segment::Ring& mailbox = segment_.mailbox();
  while (!is_to_stop() && !stops_) {
    if (const std::uint32_t wanted = wanted_suspension(); wanted != obeyed_) {
      obey(wanted);
      continue;
    }
    if (have_clients_changed()) attend_clients();
    const std::uint64_t head = transaction_.mailbox_head();
    if (run_kept(head)) continue;
    if (std::exchange(clients_turn_, false) && run_client()) continue;
    const auto found = mailbox.find<segment::MessageHead>(
        head, control_.mailbox.tail.load(std::memory_order_acquire));
    if (found.status == found.kEmpty) {
      if (!run_client()) wait_for_message(head);
    } else {
      PEEPER_CHECK(found.status == found.kRecord, "the mailbox was overwritten");
      handle(found);
      ++handled_;
      clients_turn_ = true;
    }
  }
  // What else there is to do, terminate too, would be another message.
  if (is_orphan()) return 0;
  if (!stops_) outcome_.stop_reason = "shutdown";
  const bool hands_over =
      !stops_ && control_.worker.stop_mode.load(std::memory_order_acquire) ==
                     segment::StopMode::kHandOver;
  if (!hands_over) terminate();
  control_.worker.phase.store(segment::Phase::kStopped, std::memory_order_release);
  const std::string& reason = outcome_.stop_reason;
  const bool in_order = reason == "normal" || reason == "shutdown";
  if (!in_order) die(segment::CrashKind::kException, "stopped: " + reason);
  return 0;
}

// In OTP a continue runs at once, a timeout only if no message came. A timer that is due and a
// message that waits take turns: neither can keep the other out.
bool Runtime::run_kept(std::uint64_t head) {
  const Durable& kept = services_.durable();
  if (!kept.continues.empty()) {
    handle_continue();
    return true;
  }
  if (kept.timers.empty() && kept.timeout_at == 0) return false;
  const bool mail =
      control_.mailbox.tail.load(std::memory_order_acquire) != head || has_client_mail();
  const std::uint64_t now = now_ns();
  const bool mails_turn = std::exchange(timer_had_its_turn_, false) && mail;
  if (!mails_turn && kept.timers.earliest_due() <= now) {
    timer_had_its_turn_ = true;
    handle_timer(kept.timers.earliest_number());
    return true;
  }
  if (!mail && kept.timeout_at != 0 && kept.timeout_at <= now) {
    handle_timeout();
    return true;
  }
  return false;
}

void Runtime::wait_for_message(std::uint64_t head) {
  if (std::exchange(hibernates_, false)) hibernate();
  const Durable& kept = services_.durable();
  std::uint64_t due = kept.timers.earliest_due();
  if (kept.timeout_at != 0) due = std::min(due, kept.timeout_at);
  const std::uint64_t begin = now_ns();
  std::uint64_t most = due <= begin ? 0 : std::min(due - begin, kLongestSleepNs);
  std::uint64_t idle_limit = UINT64_MAX;
  if (options_.hibernate_after && !hibernated_) {
    idle_limit = static_cast<std::uint64_t>(options_.hibernate_after->count()) * 1'000'000;
    most = std::min(most, idle_limit);
  }
  if (!guard_.rests()) most = std::min(most, kRestAfterNs);

  sleep(head, most);

  if (control_.mailbox.tail.load(std::memory_order_relaxed) != head || has_client_mail()) return;
  const std::uint64_t idle = now_ns() - begin;
  if (idle >= kRestAfterNs && !guard_.rests()) guard_.rest();
  if (idle >= idle_limit) hibernates_ = true;
}

// Until there is mail beyond `tail`, the bell, a signal, or the time is over. The daemon publishes
// the tail, then looks at `sleeping`: one of the two sees the other. The suspension, and which
// clients there are, it changes before it rings the bell.
void Runtime::sleep(std::uint64_t tail, std::uint64_t most_ns) {
  segment::MailboxEnds& ends = control_.mailbox;
  const std::uint32_t seen = ends.bell.load(std::memory_order_acquire);
  if (std::exchange(handled_, 0) > kFewMessages) busy_poll_.was_crowded();
  if (const std::uint64_t limit = std::min(busy_poll_.begin(), most_ns); limit != 0) {
    if (look_for_mail(tail, seen, limit)) return;
    busy_poll_.looked_in_vain();
  }
  const std::uint64_t begin = now_ns();
  ends.sleeping.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.tail.load(std::memory_order_relaxed) == tail && !is_to_stop() &&
      wanted_suspension() == obeyed_)
    wait_for_bells(seen, most_ns);
  ends.sleeping.store(0, std::memory_order_relaxed);
  busy_poll_.slept(now_ns() - begin);
}

// False: there is none, and the bell was not rung.
bool Runtime::look_for_mail(std::uint64_t tail, std::uint32_t bell, std::uint64_t most_ns) {
  const segment::MailboxEnds& ends = control_.mailbox;
  const std::uint64_t begin = now_ns();
  for (;; pause_looking()) {
    if (ends.tail.load(std::memory_order_acquire) != tail || has_client_mail()) {
      busy_poll_.found();
      return true;
    }
    if (ends.bell.load(std::memory_order_acquire) != bell || is_to_stop()) return true;
    if (now_ns() - begin > most_ns) return false;
  }
}

// What private memory the callbacks let go of goes back to the system. The state is in the segment.
void Runtime::hibernate() {
  hibernated_ = true;
  strings_ = {};
  request_ = {};
  outcome_ = {};
  running_ = {};
  ::malloc_trim(0);
}

// --- Ends ----------------------------------------------------------------------------------------

void Runtime::terminate() {
  if (behaviour_.terminate == nullptr) return;
  begin(Channel::kTerminate, 0, PageGuard::Access::kWrites);
  barrier([&] {
    const std::string& reason = outcome_.stop_reason;
    behaviour_.terminate(object_, heap_.state(), {reason.data(), reason.size()});
  });
  commit(transaction_.mailbox_head());
}

std::string Runtime::shown_name() const {
  return segment::printable(running_.name, kShownName);
}

void Runtime::fail(std::string text) {
  keep_thrown();
  if (terminate_after(text) && !running_.name.empty()) text += " in '" + shown_name() + "'";
  die(segment::CrashKind::kException, text);
}

// As in OTP, terminate sees the state as it was before the callback that threw. It shares a
// transaction with the drop of what was in flight, unless that is to be tried again. Who dies in
// here leaves it to the keeper. False if there was nothing to do: then that is the keeper's as
// well.
bool Runtime::terminate_after(const std::string& text) {
  const Channel channel = running_.channel;
  if (behaviour_.terminate == nullptr || !segment::is_judged(channel)) return false;
  services_.close();
  transaction_.journal().restore();
  guard_.end_message();
  transaction_.begin_drop();
  services_.open(PageGuard::Access::kWrites);
  try {
    behaviour_.terminate(object_, heap_.state(), {text.data(), text.size()});
    const bool again = control_.in_flight.attempt <= options_.retries;
    const segment::Dying dying{wall_clock_ns(), options_.incarnation, channel, text, {}};
    if (again) {
      running_.mailbox_head = transaction_.mailbox_head();
    } else if (!segment::is_kept_in_heap(channel)) {
      std::string value;
      resp::append_error(value, "CRASHED " + segment_.id().server + ": " + text + " in '" +
                                    shown_name() + "'");
      services_.answer(running_.from, value);
      if (running_.client != nullptr)
        transaction_.take_request(*running_.client, running_.request_head);
      if (running_.if_dropped.stream != 0) note_dropped(running_.if_dropped);
      if (running_.system_done != 0) transaction_.set_system_done(running_.system_done);
      if (!segment::is_system(running_.message.type))
        transaction_.add_letter(dying, running_.message, running_.body);
    } else {
      drop_kept(channel, running_.position, dying);
    }
  } catch (...) {
    return false;
  }
  commit(running_.mailbox_head);
  return true;
}

// --- Around each transaction ---------------------------------------------------------------------

void Runtime::begin(Channel channel, std::uint64_t position, PageGuard::Access access,
                    std::uint32_t client) {
  // When a message began tells one run of it from another, which a tick's time does as well as now's:
  // workers aren't restarted within one.
  transaction_.begin(channel, position, tick_ns(), client);
  enter(channel, position, access);
}

// A transaction that has begun is now that of this code.
void Runtime::enter(Channel channel, std::uint64_t position, PageGuard::Access access) {
  // An earlier message's wild write, since committed, may have hit the root.
  if (channel != Channel::kInit)
    PEEPER_CHECK(heap_.is_formatted(), "the heap's root was overwritten");
  running_.channel = channel;
  running_.position = position;
  running_.mailbox_head = transaction_.mailbox_head();
  running_.system_done = 0;
  running_.if_dropped = {};
  running_.client = nullptr;
  running_.from = {};
  running_.name.clear();
  hibernated_ = false;
  services_.open(access);
}

// The daemon arms its bell before it sleeps and looks once more; this looks for the arming after
// having published. Full fences on both sides: one of the two sees the other.
void Runtime::commit(std::uint64_t mailbox_head) {
  const bool is_timed = transaction_.sequence() % kTimedCommits == 0;
  const std::uint64_t begin = is_timed ? now_ns() : 0;
  const bool writes = services_.writes();
  services_.close();
  const bool published = transaction_.has_records();
  transaction_.commit(mailbox_head);
  // Before the fence: who arms its bell for changes looks at this count.
  if (writes) raise(control_.counts.state_writes, 1);
  if (is_timed) {
    raise(control_.counts.commit_ns, now_ns() - begin);
    raise(control_.counts.commits_timed, 1);
  }
  running_.channel = Channel::kNone;

  std::atomic_thread_fence(std::memory_order_seq_cst);
  segment::Atomic32& armed = control_.replies.armed;
  bool wanted = published && armed.load(std::memory_order_relaxed) != 0 &&
                armed.exchange(0, std::memory_order_relaxed) != 0;
  if (control_.mailbox.producer_waits.load(std::memory_order_relaxed) != 0) {
    control_.mailbox.producer_waits.store(0, std::memory_order_relaxed);
    wanted = true;
  }
  if (writes && is_state_watched()) wanted = true;
  if (wanted) services_.ring();
  // After the answer is out: it need not wait for the pages.
  if (writes) count_change();
  guard_.end_message();
  show_memory();
}

bool Runtime::is_state_watched() {
  segment::Atomic32& armed = control_.mailbox.state_armed;
  return armed.load(std::memory_order_relaxed) != 0 &&
         armed.exchange(0, std::memory_order_relaxed) != 0;
}

void Runtime::count_change() {
  const auto changed = transaction_.journal().find_change(last_changed_);
  if (!changed) return;
  last_changed_ = *changed;
  raise(control_.counts.state_changes, 1);
}

void Runtime::show_memory() {
  segment::WorkerStatus& status = control_.worker;
  const std::uint64_t used = heap_.used();
  status.heap_used.store(used, std::memory_order_relaxed);
  // The allocator's own last words lie at the heap's end, beyond any block.
  status.heap_high_water.store(std::max(used, heap_.high_water()), std::memory_order_relaxed);
  status.faults.store(guard_.counts().faults, std::memory_order_relaxed);
  status.copies.store(guard_.counts().copied, std::memory_order_relaxed);
  status.hot_pages.store(static_cast<std::uint32_t>(guard_.hot_pages()),
                         std::memory_order_relaxed);
}

}  // namespace peeper::worker
