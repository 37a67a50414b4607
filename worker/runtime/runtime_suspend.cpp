// What a worker does that is suspended: nothing but answering system messages, as in OTP.
#include <algorithm>

#include "common/check.hpp"
#include "worker/runtime/runtime.hpp"
#include "worker/runtime/stop_signals.hpp"

namespace peeper::worker {

using segment::Channel;
using segment::MessageType;

// While it is suspended timers become due, and messages wait where they are. SIGTERM ends it.
void Runtime::obey(std::uint32_t suspension) {
  obeyed_ = suspension;
  control_.mailbox.suspended.store(suspension, std::memory_order_release);
  if (!segment::is_suspension(suspension)) return;
  services_.ring();
  if (!guard_.rests()) guard_.rest();
  while (!is_to_stop() && wanted_suspension() == suspension) {
    const std::uint64_t tail = control_.mailbox.tail.load(std::memory_order_acquire);
    answer_system_messages(tail);
    if (have_clients_changed()) attend_clients();
    sleep(tail, kLongestSleepNs);
  }
}

// They keep their place in the mailbox, where handle() passes them by when their turn comes. A
// worker that dies before that leaves them to be answered once more, when nobody waits any more.
void Runtime::answer_system_messages(std::uint64_t tail) {
  const segment::Ring& mailbox = segment_.mailbox();
  system_answered_ = std::max(system_answered_, transaction_.mailbox_head());
  while (true) {
    const auto found = mailbox.find<segment::MessageHead>(system_answered_, tail);
    if (found.status == found.kEmpty) return;
    PEEPER_CHECK(found.status == found.kRecord, "the mailbox was overwritten");
    system_answered_ = found.position + found.head.bytes;
    if (found.head.type != MessageType::kGetState) continue;
    const bool readable = read_message(found.head, found.body).has_value();
    PEEPER_CHECK(readable, "a message in the mailbox was overwritten");
    begin(Channel::kSystem, 0, PageGuard::Access::kReadsOnly);
    running_.from = {found.head.request, found.head.stream, found.head.epoch, 0};
    running_.name = "sys get_state";
    handle_get_state();
    commit(transaction_.mailbox_head());
  }
}

}  // namespace peeper::worker
