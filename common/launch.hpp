// What peeperd and the programs it starts agree on, beside the segment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "common/limits.hpp"
#include "common/segment/client_layout.hpp"

namespace peeper::launch {

// File descriptors a child finds open.
inline constexpr int kBellFd = 3;     // worker: the daemon's eventfd
inline constexpr int kControlFd = 3;  // keeper: a SOCK_SEQPACKET socket to the daemon
inline constexpr int kLeashFd = 4;    // worker: a pipe's end, never read (daemon/leash.hpp)
inline constexpr int kLeashHoldFd = 4;  // keeper: its other end, held as long as it lives
inline constexpr int kAnswerFd = 3;   // inspector: a pipe to the daemon, for one RESP3 value
inline constexpr int kObserveFd = 3;  // observer: a stream socket to the daemon
inline constexpr int kLineFd = 5;     // worker, standby: a SOCK_SEQPACKET socket from the daemon
inline constexpr int kListenFd = 5;   // keeper with listeners: a stream socket from the daemon
inline constexpr int kListenMarkFd = 6;  // the same: an eventfd, see below

// --- Daemon and inspector ------------------------------------------------------------------------
// The inspector's exit status, beside 0: the State changed all the while, there is no value.
inline constexpr int kExitMoved = 75;

// --- Daemon and observer -------------------------------------------------------------------------
// For each byte the daemon writes, the observer says what there is to be seen: this, then the value.

enum class Seen : std::uint32_t {
  kState = 1,    // a RESP3 value: the State, or why it can't be shown
  kSame = 2,     // it shows as the last one did; no value
  kMoved = 3,    // commits came without a gap; no value
  kNothing = 4,  // there is no State now; no value
};

struct FromObserver {
  Seen seen;
  std::uint32_t reserved;
  std::uint64_t sequence;     // of kState and kSame
  std::uint64_t value_bytes;  // at most kInspectedBytes
  std::uint64_t changes;      // of kState and kSame: WorkerCounts::state_changes as of then
};
static_assert(std::is_trivially_copyable_v<FromObserver> && sizeof(FromObserver) == 32);

// --- Daemon to worker, one struct a packet -------------------------------------------------------
// A standby waits for kActivate: from there on it is the worker. The end of the stream instead: it
// isn't needed any more. A worker looks for the others when MailboxEnds::clients_changed has.

enum class Order : std::uint32_t {
  kActivate = 1,
  kOpenClient = 2,  // with a channel's file (SCM_RIGHTS)
};

struct ToWorker {
  Order order;
  std::uint32_t incarnation;     // kActivate
  segment::OpenedClient client;  // kOpenClient
};
static_assert(std::is_trivially_copyable_v<ToWorker> && sizeof(ToWorker) == 24);

// --- Daemon and keeper, one struct a packet ------------------------------------------------------
// The keeper says kAttached once it holds the segment. The daemon then asks it to recover whenever
// no worker lives: at the start and after each death. Nothing else starts a recovery.

enum class Request : std::uint32_t {
  kRecover = 1,
  kStop = 2,
  kWorker = 3,  // with a pidfd (SCM_RIGHTS): the worker that runs, to be ended after the daemon
  kOpenClient = 4,  // with a channel's file (SCM_RIGHTS)
};

struct ToKeeper {
  Request request;
  std::uint32_t observed;     // segment::Observed
  std::int32_t wait_status;
  std::uint32_t incarnation;  // of the worker that died
  std::uint32_t retries;      // of the message in flight
  std::uint32_t allowed_ms;   // callback_timeout, where the worker hung
  std::uint64_t at_ns;        // CLOCK_REALTIME, when the daemon heard of it
  std::uint32_t is_crash;     // 0: the worker ended in order
  std::uint32_t begin_anew;   // 1: the State is given up, the next worker runs init
  segment::OpenedClient client;  // kOpenClient
};
static_assert(std::is_trivially_copyable_v<ToKeeper> && sizeof(ToKeeper) == 56);

enum class Event : std::uint32_t {
  kAttached = 1,   // the segment is open, or made
  kRecovered = 2,  // a worker may start
  kFailed = 3,     // text says why; the keeper exits. Starting it again would not help
  kListenerFailed = 4,  // text says why that of number `sequence` (from 1) can't be told anything
};

struct ToDaemon {
  Event event;
  std::uint32_t verdict;  // segment::Verdict
  std::uint64_t sequence;
  std::uint64_t pages_restored;
  std::uint64_t crash;    // its number in the history; 0: none, or none that is new
  std::uint32_t refused;  // 1: starting this worker again would not help
  std::uint32_t text_bytes;
  char text[1024];          // cause of the death, or of the failure
  char message[64];         // name of the message in flight, zero-terminated if shorter
};
static_assert(std::is_trivially_copyable_v<ToDaemon> && sizeof(ToDaemon) == 1128);

// --- Daemon to keeper: what its listeners are told -----------------------------------------------
// One event at a time: its head, then its texts in the order of their lengths; the states are RESP3
// values. When all listeners have returned the keeper answers one byte, and only then comes the next.
// While it runs a listener the eventfd holds that one's number (from 1), else 0: when the keeper
// dies, the daemon reads there whose doing it was.

// Of a state no more than kInspectedBytes, of a reason no more than this.
inline constexpr std::size_t kReasonBytes = 4 * limits::KiB;

enum class Told : std::uint32_t { kChanged = 1, kTerminated = 2 };

struct ToListeners {
  Told event;
  std::uint32_t reason_bytes;  // kTerminated
  std::uint64_t sequence;      // of `state`
  std::uint64_t changes;       // kChanged: since the last one told; beyond 1: coalesced
  std::uint64_t old_bytes;     // kChanged
  std::uint64_t state_bytes;
};
static_assert(std::is_trivially_copyable_v<ToListeners> && sizeof(ToListeners) == 40);

}  // namespace peeper::launch
