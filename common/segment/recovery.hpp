// What the keeper does after a worker's death: the heap as of the last commit, the ends published,
// the message in flight judged.
//
// Only while no worker can write the segment; who recovers lets one start again after both steps
// (WorkerStatus::may_start). Idempotent: whoever does it may be killed at any
// instruction and the next one does it again, to the same bytes. Believes nothing in the segment
// before checking it: damage is a Failure with a remedy, never a crash.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "common/segment/client_channels.hpp"
#include "common/segment/death.hpp"
#include "common/segment/judgement.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

struct RolledBack {
  std::uint64_t sequence;        // of the last commit: what the heap now holds
  std::uint64_t pages_restored;  // 0 if no transaction was under way
};
// Step one. Checks the whole segment first. Clients' channels that are not among `clients` keep what
// was committed until whoever maps them next shows it.
[[nodiscard]] Result<RolledBack> roll_back(const Segment& segment, ClientChannels& clients);
[[nodiscard]] Result<RolledBack> roll_back(const Segment& segment);

struct Settled {
  Verdict verdict = Verdict::kNothing;
  std::string message;  // name of the message in flight, printable
  std::string cause;    // see describe()
  std::uint64_t crash = 0;  // see remember_crash()
};
// Step two, after roll_back(). Writes a crash into the history, once. Dropping is a transaction of
// its own: the mailbox moves on, the message is a dead letter, the caller's -CRASHED is in the
// replies, and a message of another server is left to the next worker, to be remembered: all or
// nothing. Fails with EAGAIN while the replies have no
// room: call again once the daemon has drained some. A request of a client's channel that is not
// among `clients` is gone with it.
[[nodiscard]] Result<Settled> settle(const Segment& segment, const Death& death,
                                     ClientChannels& clients);
[[nodiscard]] Result<Settled> settle(const Segment& segment, const Death& death);

// After that, if asked: the State is given up, in a transaction of its own, and the next worker
// runs init. Once, however often it is called before that. Mailbox, replies and history stay.
void begin_anew(const Segment& segment);

}  // namespace peeper::segment
