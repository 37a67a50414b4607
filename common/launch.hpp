// What peeperd and the two programs it starts agree on, beside the segment.
#pragma once

#include <cstdint>
#include <type_traits>

namespace peeper::launch {

// File descriptors a child finds open.
inline constexpr int kBellFd = 3;     // worker: the daemon's eventfd
inline constexpr int kControlFd = 3;  // keeper: a SOCK_SEQPACKET socket to the daemon
inline constexpr int kStandbyFd = 4;  // standby: a SOCK_SEQPACKET socket to the daemon

// --- Daemon and standby --------------------------------------------------------------------------
// The one packet there is, daemon to standby: from here on it is the worker. The end of the stream
// instead: it isn't needed any more.
struct Activate {
  std::uint32_t incarnation;
};
static_assert(std::is_trivially_copyable_v<Activate> && sizeof(Activate) == 4);

// --- Daemon and keeper, one struct a packet ------------------------------------------------------
// The keeper says kAttached once it holds the segment. The daemon then asks it to recover whenever
// no worker lives: at the start and after each death. Nothing else starts a recovery.

enum class Request : std::uint32_t {
  kRecover = 1,
  kStop = 2,
  kWorker = 3,  // with a pidfd (SCM_RIGHTS): the worker that runs, to be ended after the daemon
};

struct ToKeeper {
  Request request;
  std::uint32_t observed;     // segment::Observed
  std::int32_t wait_status;
  std::uint32_t incarnation;  // of the worker that died
  std::uint32_t retries;      // of the message in flight
  std::uint32_t allowed_ms;   // callback_timeout, where the worker hung
};
static_assert(std::is_trivially_copyable_v<ToKeeper> && sizeof(ToKeeper) == 24);

enum class Event : std::uint32_t {
  kAttached = 1,   // the segment is open, or made
  kRecovered = 2,  // a worker may start
  kFailed = 3,     // text says why; the keeper exits. Starting it again would not help
};

struct ToDaemon {
  Event event;
  std::uint32_t verdict;  // segment::Verdict
  std::uint64_t sequence;
  std::uint64_t pages_restored;
  std::uint32_t refused;  // 1: starting this worker again would not help
  std::uint32_t text_bytes;
  char text[1024];          // cause of the death, or of the failure
  char message[64];         // name of the message in flight, zero-terminated if shorter
};
static_assert(std::is_trivially_copyable_v<ToDaemon> && sizeof(ToDaemon) == 1120);

}  // namespace peeper::launch
