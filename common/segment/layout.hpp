// The shared memory of one server, byte for byte. This header is an ABI: daemon, keeper and worker
// may be of different builds. A change of any offset raises kLayoutVersion.
//
//   page 0      Header             identity: sizes, names
//   page 1      Control            the commit, the rings' ends, the bells
//   page 2      CrashRecord        what a dying worker says of itself
//   2 pages     GoneLetters        dead letters somebody has taken          (crash_layout.hpp,
//   35 pages    history            the last crashes                          as the record)
//   mailbox     ring of messages   daemon → worker          (a power of two bytes)
//   replies     ring of replies    worker → daemon          (a power of two bytes)
//   outbox      ring of messages   worker → other servers, by the daemon
//   letters     ring of messages   that were dropped         (as large as the mailbox)
//   heap        State and all it owns, the allocator included      (sparse, grows in steps)
//   journal     page numbers, then who wrote each page last, then page images   (sparse; all but
//               the images grow with the heap, those with what a message changes; moves up when
//               state_size is raised)
//
// The daemon maps up to the end of the letters, keeper and worker map everything. "Writer" names
// the one process that stores a field; while no worker lives the keeper stands in for it. All
// others read, and believe nothing before it is checked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace peeper::segment {

inline constexpr std::uint64_t kMagic = 0x3147'6553'7065'6550;  // "PeepSeG1"
inline constexpr std::uint32_t kLayoutVersion = 7;
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

// Where the parts lie.
struct Plan {
  std::uint64_t total_bytes;
  Extent mailbox;
  Extent replies;
  Extent outbox;
  Extent letters;
  Extent heap;           // bytes: the limit, state_size; what is reserved is in Control
  Extent journal_index;  // one u32 a heap page
  // Of the last transaction that may have written it, the sequence: one u64 a heap page, and one a
  // block of kBlockPages. For who keeps a copy of the heap (shadow.hpp); nothing else believes it.
  Extent page_writers;
  Extent block_writers;
  Extent journal_pages;  // as many bytes as the heap
};
static_assert(sizeof(Plan) == 152);
inline constexpr std::size_t kBlockPages = 512;

// Writer: the keeper, at creation; magic last, so a segment without it was never finished.
struct Header {
  Atomic64 magic;
  std::uint32_t layout_version;
  std::uint32_t page_bytes;
  // One of the two plans holds. A larger heap is planned in the other one, and becomes true at the
  // store of `current`, as a transaction does at `committed`.
  Plan plans[2];
  Atomic64 current;      // 0 or 1
  std::uint64_t uid;     // of this segment, never 0: one made anew under the same name has another
  char server[128];      // zero-terminated
  // Zero-terminated; as configured. Empty since a code change to another, made by the daemon in one
  // store of its first byte: from then on the State alone says which code fits.
  char behaviour[512];
};
static_assert(offsetof(Header, uid) == 328 && sizeof(Header) == 976);

// A message of another server that was dropped. That it came must be known when it is delivered
// again (MessageHead::stream), and what is known of that lies in the heap, where only a worker can
// write it: the next one does, before it runs anything else. One is enough: no message begins, and
// so none is dropped, before that.
struct Dropped {
  std::uint64_t stream;  // 0: none
  std::uint64_t number;
  std::uint64_t call;    // not 0: it was the answer to this call
  std::uint64_t reserved;
};

// One of the two outcomes that COMMIT chooses between; the sequence's lowest bit is its index.
// Writer: the worker.
struct alignas(64) Slot {
  std::uint64_t sequence;
  std::uint64_t mailbox_head;  // first message not yet committed
  std::uint64_t reply_tail;    // end of the committed replies
  std::uint64_t outbox_tail;   // end of the committed outgoing messages
  Dropped dropped;             // carried over from commit to commit until a worker has noted it
  std::uint64_t letter_tail;   // end of the dead letters
  std::uint64_t letter_count;  // of those there ever were: the last one's number
  std::uint64_t begin_anew;    // 1: the next worker makes the heap anew and runs init, by request
  std::uint64_t system_done;   // system messages before it are over, though they may still stand in
                               // the mailbox: a suspended worker handles them out of their turn
  std::uint64_t reserved[4];
};
static_assert(offsetof(Slot, dropped) == 32 && offsetof(Slot, letter_tail) == 64);
static_assert(offsetof(Slot, system_done) == 88);
static_assert(sizeof(Slot) == 128);

enum class Channel : std::uint32_t {
  kNone = 0,
  kInit = 1,       // the transaction that formats the heap and runs init
  kMailbox = 2,    // one message of the mailbox
  kTerminate = 3,  // the transaction of terminate
  kStart = 4,      // of handle_start, at each incarnation
  // What the heap itself holds for later. Dropping one changes the heap, so that a judgement is
  // only noted in `verdict` and carried out by the next worker.
  kContinue = 5,   // of handle_continue
  kTimer = 6,      // a timer of send_after
  kTimeout = 7,    // nothing arrived in the time a callback gave
  kCodeChange = 8,  // of code_change
  kSystem = 9,     // a system message of the mailbox out of its turn: the worker is suspended
  kClient = 10,    // one request of a client's own channel (client_channel.hpp)
};
inline constexpr std::uint32_t kChannels = 11;

// The running transaction. Writer: the worker; sequence is stored last.
struct alignas(64) InFlight {
  Atomic64 sequence;           // committed + 1 while a transaction runs, and until its worker's
                               // death is judged. 0: nothing is in flight
  std::uint64_t position;      // what it runs, by a number no other of its channel ever has: of a
                               // message its place in the mailbox, of a timer its own
  std::uint64_t started_at;    // CLOCK_MONOTONIC, ns
  std::uint32_t attempt;       // 1 at the first run of this message
  Channel channel;
  Atomic32 verdict;            // Verdict::kDrop after its worker's death, where to drop it is the
                               // next worker's part; else 0. Writer: the keeper; begin() clears it
  std::uint32_t client;        // of kClient: the channel's serial
  std::uint64_t reserved[3];
};
static_assert(sizeof(InFlight) == 64);

// What of one channel was begun last, and how often: it counts on whatever other channels run in
// between. Writer: the worker.
struct Tries {
  std::uint64_t position;  // as in InFlight
  std::uint32_t count;
  std::uint32_t client;    // as in InFlight
};
static_assert(sizeof(Tries) == 16);

struct alignas(64) JournalHead {
  Atomic64 sequence;    // whose pre-images these are
  Atomic64 count;       // complete entries
  Atomic64 generation;  // grows before entries are forgotten: who looks beside the worker sees it
  std::uint64_t reserved[5];
};
static_assert(sizeof(JournalHead) == 64);

// Why a worker isn't (any more) a running one. Writer: the worker.
enum class Phase : std::uint32_t { kNone = 0, kStarting = 1, kReady = 2, kStopped = 3 };

enum class StopMode : std::uint32_t {
  kTerminate = 0,
  kHandOver = 1,  // end without terminate: another worker goes on at once
};

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
  Atomic32 break_even;  // copies that cost as much as a fault, as measured at this start
  std::atomic<StopMode> stop_mode;  // what SIGTERM means. Writer: the daemon
  Atomic32 may_start;   // pid of the daemon whose worker may start, as the segment was recovered
                        // since the last one did; 0: none. Writer: the keeper; the worker clears it
};
static_assert(offsetof(WorkerStatus, may_start) == 60 && sizeof(WorkerStatus) == 64);

// Of this incarnation, as of the last message; for whoever looks. Writer: the worker.
struct alignas(64) WorkerCounts {
  Atomic64 state_writes;   // transactions that were open for writing the state
  Atomic64 state_changes;  // of those, that left a byte of the heap other than it was
  Atomic64 commits_timed;  // a sample of all
  Atomic64 commit_ns;      // that those took together
};
static_assert(sizeof(WorkerCounts) == 64);

struct MailboxEnds {
  alignas(64) Atomic64 tail;  // writer: the daemon
  Atomic32 bell;              // futex the worker sleeps on; raised by the daemon's ring, and by the
                              // worker's own signal handler
  Atomic32 producer_waits;    // 1: the daemon wants its bell rung when the head moves.
                              // Set by the daemon, cleared by the worker
  Atomic32 suspension;        // odd: the worker is to handle nothing but system messages; grows
                              // with each change, so that none is taken for another. Writer: the
                              // daemon
  Atomic32 clients_changed;   // raised when a client's channel was opened or closed. Writer: the
                              // daemon
  Atomic32 state_armed;       // 1: the daemon wants its bell rung at the next transaction that may
                              // have changed the State. Set by the daemon, cleared by the worker
  alignas(64) Atomic64 head;  // writer: the worker; a copy of the committed slot's
  Atomic32 sleeping;          // 1: the worker is about to sleep. Writer: the worker
  Atomic32 suspended;         // the suspension it obeys; 0: none yet. Writer: the worker
  Atomic64 skipped;           // calls for whose reply nobody waited any more. Writer: the worker
};
static_assert(offsetof(MailboxEnds, suspension) == 16 && offsetof(MailboxEnds, head) == 64);
static_assert(offsetof(MailboxEnds, clients_changed) == 20);
static_assert(offsetof(MailboxEnds, suspended) == 76 && offsetof(MailboxEnds, skipped) == 80);
static_assert(sizeof(MailboxEnds) == 128);

constexpr bool is_suspension(std::uint32_t number) { return number % 2 != 0; }

struct ReplyEnds {
  alignas(64) Atomic64 tail;  // writer: the worker; a copy of the committed slot's
  alignas(64) Atomic64 head;  // writer: the daemon
  Atomic32 armed;             // 1: the daemon wants its bell rung at the next reply or outgoing
                              // message. Set by the daemon, cleared by the worker that rings
  Atomic32 room;              // futex a worker without room, here or in the outbox, sleeps on;
                              // raised by the daemon
  Atomic32 writer_waits;      // 1: it does, or is about to. Writer: the worker
  Atomic32 epoch;             // raised by each daemon that attaches; requests of an earlier one
                              // have nobody left to be answered. Writer: the daemon
};

struct OutboxEnds {
  alignas(64) Atomic64 tail;  // writer: the worker; a copy of the committed slot's
  alignas(64) Atomic64 head;  // writer: the daemon; all before it has reached its receiver
};

// Writer of all: whoever drops a message, in the transaction that does so.
struct LetterEnds {
  alignas(64) Atomic64 tail;  // a copy of the committed slot's
  // All before has made room for others. It moves before the commit that needs the room, so that
  // what is overwritten is none any more. Where nothing else is left it may be beyond the tail, at
  // the ring's next beginning.
  Atomic64 head;
  Atomic64 lost;              // letters that had to make room, and nobody had taken
};

// --- Clients' channels ---------------------------------------------------------------------------
// Ring pairs beside the segment, each shared with one client (client_channel.hpp). How far each has
// come is the segment's to say, for a commit decides it and no client may touch it.

inline constexpr std::uint32_t kMostClients = 32;  // of one server, at a time

// Of two outcomes the later one that is committed holds; the other is the next one's room.
struct ClientSlot {
  std::uint64_t sequence;      // of the transaction it belongs to; kNever: of none
  std::uint64_t request_head;  // first request not yet committed
  std::uint64_t reply_tail;    // end of the committed replies
};
static_assert(sizeof(ClientSlot) == 24);
inline constexpr std::uint64_t kNever = UINT64_MAX;

struct alignas(64) ClientEntry {
  Atomic32 serial;      // of the channel that is open; 0: none. Writer: the daemon
  Atomic32 attached;    // the one whose slots the worker may write; 0: none. Writer: the worker;
                        // the daemon before one starts
  ClientSlot slot[2];   // writer: the worker; the daemon at the channel's opening, unless attached
  std::uint32_t pid;    // of the client, when it connected; 0: not known. Writer: the daemon
  std::uint32_t reserved;
};
static_assert(sizeof(ClientEntry) == 64);

struct Control {
  alignas(64) Atomic64 committed;  // the one 8-byte store. Writer: the worker
  Slot slot[2];
  InFlight in_flight;
  JournalHead journal;
  WorkerStatus worker;
  MailboxEnds mailbox;
  ReplyEnds replies;
  OutboxEnds outbox;
  LetterEnds letters;
  alignas(64) Tries tries[kChannels];  // by Channel; only of those whose messages are judged
  ClientEntry clients[kMostClients];
  Atomic32 last_client;  // serial: no other channel of this segment ever has the same. Writer: the
                         // daemon
  WorkerCounts counts;
};
static_assert(offsetof(Control, slot) == 64 && offsetof(Control, in_flight) == 320);
static_assert(offsetof(Control, journal) == 384 && offsetof(Control, worker) == 448);
static_assert(offsetof(Control, mailbox) == 512 && offsetof(Control, replies) == 640);
static_assert(offsetof(Control, outbox) == 768 && offsetof(Control, letters) == 896);
static_assert(offsetof(Control, tries) == 960);
static_assert(offsetof(Control, clients) == 1152 && offsetof(Control, last_client) == 3200);
static_assert(offsetof(Control, counts) == 3264);
static_assert(sizeof(Control) == 3328 && sizeof(Control) <= kPageBytes);
static_assert(static_cast<std::uint32_t>(Channel::kClient) < kChannels);

inline constexpr std::size_t kHeaderOffset = 0;
inline constexpr std::size_t kControlOffset = kPageBytes;
inline constexpr std::size_t kCrashOffset = 2 * kPageBytes;
inline constexpr std::size_t kGonePages = 2;
inline constexpr std::size_t kGoneOffset = 3 * kPageBytes;
inline constexpr std::size_t kHistoryPages = 35;
inline constexpr std::size_t kHistoryOffset = kGoneOffset + kGonePages * kPageBytes;
inline constexpr std::size_t kRingsOffset = kHistoryOffset + kHistoryPages * kPageBytes;

// --- Records of the rings ------------------------------------------------------------------------
// Positions count bytes since the segment was made and never wrap; a record lies at position modulo
// the ring's size, in one piece: a kPad record fills what would not fit before the ring's end.

inline constexpr std::uint32_t kPad = 0;  // in the place of a record's type

enum class MessageType : std::uint32_t {
  kCall = 1,
  kCast = 2,
  kInfo = 3,
  kAnswer = 4,     // to a call this server made; its one string is the value, RESP3
  kGetState = 16,  // system messages, from sys
  kReplaceState = 17,
};

constexpr bool is_system(MessageType type) {
  return type == MessageType::kGetState || type == MessageType::kReplaceState;
}

// The last string is the token of a safe retry, no argument.
inline constexpr std::uint32_t kHasToken = 1;

// Followed by `strings` lengths (u32), then their bytes: the message's name and its arguments.
struct MessageHead {
  std::uint32_t bytes;  // of the whole record, a multiple of 8
  MessageType type;
  // Of a call: whom to answer, 0 for nobody. Of an answer: which call.
  std::uint64_t request;
  // What other servers send may be delivered twice when the daemon dies in between. Within a stream
  // numbers only grow, so the receiver, which remembers the last one it committed, knows. Of an
  // answer it knows by its call, which is over. A stream is named by its sender's uid, who is also
  // who gets a call's answer. 0: from a client; then the number is when nobody waits for the reply
  // any more, CLOCK_MONOTONIC in ns, and it is to be skipped. 0: never.
  std::uint64_t stream;
  std::uint64_t number;
  std::uint32_t epoch;
  std::uint32_t strings;
  std::uint32_t flags;
  std::uint32_t pid;  // of the client, when it connected; 0: of another server, or not known
};
static_assert(sizeof(MessageHead) == 48);

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

enum class OutgoingType : std::uint32_t {
  kCall = 1,     // strings: server, name, arguments
  kCast = 2,     // the same
  kInfo = 3,     // the same
  kAnswer = 4,   // strings: the value. To the server `target`
  kPublish = 5,  // strings: channel, the value. To whoever subscribed to it
};

// Followed by strings as in a message. Its position is its number in its sender's stream.
struct OutgoingHead {
  std::uint32_t bytes;  // of the whole record, a multiple of 8
  OutgoingType type;
  std::uint64_t reference;  // of a call, and of its answer
  std::uint64_t target;     // uid, of an answer's receiver
  std::uint32_t strings;
  std::uint32_t reserved;
};
static_assert(sizeof(OutgoingHead) == 32);

}  // namespace peeper::segment
