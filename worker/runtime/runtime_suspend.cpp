// What a worker does that is suspended: nothing but handling system messages, as in OTP.
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
  while (!is_to_stop() && !stops_ && wanted_suspension() == suspension) {
    const std::uint64_t tail = control_.mailbox.tail.load(std::memory_order_acquire);
    if (handle_system_message(tail)) continue;
    if (!guard_.rests()) guard_.rest();
    if (have_clients_changed()) attend_clients();
    sleep(tail, kLongestSleepNs);
  }
}

// The next one that isn't over yet; false if there is none. It keeps its place in the mailbox,
// where handle() passes it by when its turn comes, in this worker or another: that it is over is a
// part of the commit.
bool Runtime::handle_system_message(std::uint64_t tail) {
  const segment::Ring& mailbox = segment_.mailbox();
  system_seen_ = std::max({system_seen_, transaction_.system_done(), transaction_.mailbox_head()});
  while (true) {
    const auto found = mailbox.find<segment::MessageHead>(system_seen_, tail);
    if (found.status == found.kEmpty) return false;
    PEEPER_CHECK(found.status == found.kRecord, "the mailbox was overwritten");
    system_seen_ = found.position + found.head.bytes;
    if (!segment::is_system(found.head.type)) continue;
    const auto token = read_message(found.head, found.body);
    PEEPER_CHECK(token, "a message in the mailbox was overwritten");
    begin(Channel::kSystem, found.position, PageGuard::Access::kReadsOnly);
    running_.system_done = system_seen_;
    take_up(found);
    handle_system(found.head);
    transaction_.set_system_done(running_.system_done);
    commit(transaction_.mailbox_head());
    return true;
  }
}

}  // namespace peeper::worker
