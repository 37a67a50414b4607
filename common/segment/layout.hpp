// The shared memory of one server, byte for byte. This header is an ABI: daemon, keeper and worker
// may be of different builds. A change of any offset raises kLayoutVersion.
//
//   page 0      Header             identity: sizes, names, the State's fingerprint
//   page 1      Control            the commit, the rings' ends, the bells
//   page 2      CrashRecord        what a dying worker says of itself
//   mailbox     ring of messages   daemon → worker          (a power of two bytes)
//   replies     ring of replies    worker → daemon          (a power of two bytes)
//   heap        State and all it owns, the allocator included      (sparse, grows in steps)
//   journal     page numbers, then page images                     (sparse, grows with the heap;
//               moves up when state_size is raised)
//
// The daemon maps up to the end of the replies, keeper and worker map everything. "Writer" names
// the one process that stores a field; while no worker lives the keeper stands in for it. All
// others read, and believe nothing before it is checked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace peeper::segment {

inline constexpr std::uint64_t kMagic = 0x3147'6553'7065'6550;  // "PeepSeG1"
inline constexpr std::uint32_t kLayoutVersion = 2;
inline constexpr std::size_t kPageBytes = 4096;

using Atomic32 = std::atomic<std::uint32_t>;
using Atomic64 = std::atomic<std::uint64_t>;
static_assert(Atomic64::is_always_lock_free && Atomic32::is_always_lock_free,
              "atomics in shared memory must need no lock");
static_assert(sizeof(Atomic64) == 8 && sizeof(Atomic32) == 4);

struct Extent {
  std::uint64_t offset;  // from the start of the segment
  std::uint64_t bytes;
};

// What State a segment holds. Writer: the worker, inside the transaction that runs init, so it
// means something only once a transaction was committed.
struct Fingerprint {
  std::uint64_t size;
  std::uint64_t alignment;
  std::uint64_t version;
  std::uint32_t name_bytes;
  std::uint32_t container_version;     // of the behaviour's containers: peeper's part
  std::uint32_t boost_version;         // and Boost's
  std::uint32_t worker_boost_version;  // of the heap's allocator
  char name[472];  // cut where longer
};
static_assert(sizeof(Fingerprint) == 512);

// Where the parts lie.
struct Plan {
  std::uint64_t total_bytes;
  Extent mailbox;
  Extent replies;
  Extent heap;           // bytes: the limit, state_size; what is reserved is in Control
  Extent journal_index;  // one u32 a heap page
  Extent journal_pages;  // as many bytes as the heap
};
static_assert(sizeof(Plan) == 88);

// Writer: the keeper, at creation; magic last, so a segment without it was never finished.
struct Header {
  Atomic64 magic;
  std::uint32_t layout_version;
  std::uint32_t page_bytes;
  // One of the two plans holds. A larger heap is planned in the other one, and becomes true at the
  // store of `current`, as a transaction does at `committed`.
  Plan plans[2];
  Atomic64 current;      // 0 or 1
  char server[128];      // zero-terminated
  char behaviour[512];   // zero-terminated; as configured
  Fingerprint fingerprint;
};
static_assert(offsetof(Header, fingerprint) == 840 && sizeof(Header) <= kPageBytes);

// One of the two outcomes that COMMIT chooses between; the sequence's lowest bit is its index.
// Writer: the worker.
struct alignas(64) Slot {
  std::uint64_t sequence;
  std::uint64_t mailbox_head;  // first message not yet committed
  std::uint64_t reply_tail;    // end of the committed replies
  std::uint64_t reserved[5];
};

enum class Channel : std::uint32_t {
  kNone = 0,
  kInit = 1,       // the transaction that formats the heap and runs init
  kMailbox = 2,    // one message of the mailbox
  kTerminate = 3,  // the transaction of terminate
};

// The running transaction. Writer: the worker; sequence is stored last.
struct alignas(64) InFlight {
  Atomic64 sequence;           // committed + 1 while a transaction runs
  std::uint64_t position;      // of its message in the mailbox
  std::uint64_t started_at;    // CLOCK_MONOTONIC, ns
  std::uint32_t attempt;       // 1 at the first run of this message
  Channel channel;
  std::uint64_t reserved[4];
};

struct alignas(64) JournalHead {
  Atomic64 sequence;  // whose pre-images these are
  Atomic64 count;     // complete entries
  std::uint64_t reserved[6];
};

// Why a worker isn't (any more) a running one. Writer: the worker.
enum class Phase : std::uint32_t { kNone = 0, kStarting = 1, kReady = 2, kStopped = 3 };

struct alignas(64) WorkerStatus {
  Atomic32 incarnation;
  std::atomic<Phase> phase;
  Atomic64 heap_reserved;  // bytes of the heap, and of the journal's pages, that have memory
  // As of the last message; for whoever looks.
  Atomic64 heap_used;
  Atomic64 heap_high_water;
  Atomic64 faults;  // of this incarnation: first writes to protected pages
  Atomic64 copies;  // of this incarnation: hot pages saved before messages
  Atomic32 hot_pages;
  Atomic32 break_even;  // copies that cost as much as a fault; 0: not measured yet
  std::uint64_t reserved[1];
};

struct MailboxEnds {
  alignas(64) Atomic64 tail;  // writer: the daemon
  Atomic32 bell;              // futex the worker sleeps on; raised by the daemon's ring, and by the
                              // worker's own signal handler
  Atomic32 producer_waits;    // 1: the daemon wants its bell rung when the head moves.
                              // Set by the daemon, cleared by the worker
  alignas(64) Atomic64 head;  // writer: the worker; a copy of the committed slot's
  Atomic32 sleeping;          // 1: the worker is about to sleep. Writer: the worker
};

struct ReplyEnds {
  alignas(64) Atomic64 tail;  // writer: the worker; a copy of the committed slot's
  alignas(64) Atomic64 head;  // writer: the daemon
  Atomic32 armed;             // 1: the daemon wants its bell rung at the next reply. Set by the
                              // daemon, cleared by the worker that rings
  Atomic32 room;              // futex a worker without room sleeps on; raised by the daemon
  Atomic32 writer_waits;      // 1: it does, or is about to. Writer: the worker
  Atomic32 epoch;             // raised by each daemon that attaches; requests of an earlier one
                              // have nobody left to be answered. Writer: the daemon
};

struct Control {
  alignas(64) Atomic64 committed;  // the one 8-byte store. Writer: the worker
  Slot slot[2];
  InFlight in_flight;
  JournalHead journal;
  WorkerStatus worker;
  MailboxEnds mailbox;
  ReplyEnds replies;
};
static_assert(offsetof(Control, slot) == 64 && offsetof(Control, in_flight) == 192);
static_assert(offsetof(Control, journal) == 256 && offsetof(Control, worker) == 320);
static_assert(offsetof(Control, mailbox) == 384 && offsetof(Control, replies) == 512);
static_assert(sizeof(Control) == 640 && sizeof(Control) <= kPageBytes);

enum class CrashKind : std::uint32_t {
  kNone = 0,
  kSignal = 1,     // signal, code, address
  kException = 2,  // text
  kRefused = 3,    // text: this worker cannot run at all; starting it again would not help
};

// What the address of a SIGSEGV tells beside itself.
enum class FaultHint : std::uint32_t {
  kNone = 0,
  kStackOverflow = 1,
  kHeapWrite = 2,  // a write to the heap that no running message may make
};

// Writer: the worker, as it dies; `incarnation` last. Every field is checked by its readers.
struct CrashRecord {
  Atomic32 incarnation;  // whose record this is
  CrashKind kind;
  std::int32_t signal;
  std::int32_t code;      // si_code
  std::uint64_t address;  // si_addr
  FaultHint hint;
  std::uint32_t text_bytes;
  char text[512];
};
static_assert(sizeof(CrashRecord) == 544);

inline constexpr std::size_t kHeaderOffset = 0;
inline constexpr std::size_t kControlOffset = kPageBytes;
inline constexpr std::size_t kCrashOffset = 2 * kPageBytes;
inline constexpr std::size_t kRingsOffset = 3 * kPageBytes;

// --- Records of the rings ------------------------------------------------------------------------
// Positions count bytes since the segment was made and never wrap; a record lies at position modulo
// the ring's size, in one piece: a kPad record fills what would not fit before the ring's end.

inline constexpr std::uint32_t kPad = 0;  // in the place of a record's type

enum class MessageType : std::uint32_t {
  kCall = 1,
  kCast = 2,
  kInfo = 3,
  kGetState = 16,  // system messages, from sys
};

// Followed by `strings` lengths (u32), then their bytes: the message's name and its arguments.
struct MessageHead {
  std::uint32_t bytes;  // of the whole record, a multiple of 8
  MessageType type;
  std::uint64_t request;  // 0: nobody waits
  std::uint32_t epoch;
  std::uint32_t strings;
};
static_assert(sizeof(MessageHead) == 24);

enum class ReplyType : std::uint32_t { kReply = 1 };

// Followed by `value_bytes` of one RESP3 value.
struct ReplyHead {
  std::uint32_t bytes;  // of the whole record, a multiple of 8
  ReplyType type;
  std::uint64_t request;
  std::uint32_t epoch;
  std::uint32_t value_bytes;
};
static_assert(sizeof(ReplyHead) == 24);

}  // namespace peeper::segment
