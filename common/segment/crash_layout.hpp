// What a segment holds of crashes, byte for byte; a part of layout.hpp, under the same rules.
//
//   crash record   what a dying worker says of itself: one
//   gone letters   which dead letters somebody has taken or thrown away
//   history        the last crashes, with what was in flight
//   dead letters   ring of the messages that were dropped
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/segment/layout.hpp"

namespace peeper::segment {

// --- Backtraces ----------------------------------------------------------------------------------

inline constexpr std::uint32_t kMostFrames = 48;
inline constexpr std::uint32_t kMostModules = 10;

// A place in code as outlives the process: with the module's file it can be looked up.
struct Frame {
  std::uint64_t offset;  // from where the module is loaded; without a module the address
  std::uint32_t module;  // from 1; 0: in none that is known
  std::uint32_t reserved;
};
static_assert(sizeof(Frame) == 16);

struct Backtrace {
  Atomic32 frames;        // stored last
  std::uint32_t modules;
  std::uint32_t exact;    // 1: the first frame is the very instruction; all others, and without
                          // this it too, are where a call returns to
  std::uint32_t reserved;
  Frame frame[kMostFrames];             // innermost first
  char module[kMostModules][240];       // path; zero-terminated, if it is no longer than that
};
static_assert(sizeof(Backtrace) == 16 + 48 * 16 + 10 * 240);

// --- The crash record ----------------------------------------------------------------------------

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
  kNoJournal = 3,  // one that a message may make, and no memory for the page's pre-image
};

// Writer: the worker, as it dies; `incarnation` when all but the backtrace is there, which comes
// after it or, of an exception, before. Every field is checked by its readers.
struct CrashRecord {
  Atomic32 incarnation;  // whose record this is
  CrashKind kind;
  std::int32_t signal;
  std::int32_t code;      // si_code
  std::uint64_t address;  // si_addr
  FaultHint hint;
  std::uint32_t text_bytes;
  char text[512];
  Backtrace backtrace;
};
static_assert(offsetof(CrashRecord, backtrace) == 544 && sizeof(CrashRecord) <= kPageBytes);

// --- The history ---------------------------------------------------------------------------------

enum class CrashCause : std::uint32_t {
  kUnseen = 0,     // no daemon watched
  kSignal = 1,
  kException = 2,
  kExit = 3,       // by exit(3), or without a reason that is known
  kHung = 4,
  kRefused = 5,
  kOom = 6,        // the kernel's, for want of memory
};

inline constexpr std::uint32_t kMostCrashes = 32;

// Writer: the keeper, in a recovery; `number` is 0 while it writes, and stored last.
struct CrashEntry {
  Atomic64 number;         // from 1 on, without a gap; lies at (number - 1) % kMostCrashes
  std::uint64_t at_ns;     // CLOCK_REALTIME; of when the daemon heard of it
  std::uint64_t sequence;  // of the last commit before
  std::uint64_t place;     // the same for crashes at the same place; see history.cpp
  std::uint64_t address;
  std::uint32_t incarnation;
  std::uint32_t count;     // of the crashes at this place, this one included
  CrashCause cause;
  std::int32_t wait_status;
  std::int32_t signal;     // 0: none
  std::uint32_t has_address;
  Channel channel;         // of what was in flight; kNone: nothing was
  std::uint32_t verdict;   // Verdict
  std::uint32_t attempt;
  std::uint32_t text_bytes;
  std::uint32_t body_bytes;
  std::uint32_t reserved;
  char text[512];          // the cause, as callers are told
  char name[64];           // of what was in flight; zero-terminated if shorter
  char sender[16];         // name of the process it came from, if that was still there; the same
  MessageHead message;     // `bytes` is 0 if it was none of the mailbox's
  std::byte body[512];     // the beginning of its strings
  Backtrace backtrace;
};
static_assert(offsetof(CrashEntry, text) == 88 && offsetof(CrashEntry, message) == 680);
static_assert(sizeof(CrashEntry) == 1240 + sizeof(Backtrace));
static_assert(sizeof(CrashEntry) * kMostCrashes <= kHistoryPages * kPageBytes);

// --- Dead letters --------------------------------------------------------------------------------

inline constexpr std::uint32_t kMostLetters = 1024;

// Of the letter `n` lies `n` at n % kMostLetters once it is gone. Writer: the daemon, which alone
// does what users ask, and so writes nothing that is anybody else's.
struct GoneLetters {
  Atomic64 number[kMostLetters];
};
static_assert(sizeof(GoneLetters) == kGonePages * kPageBytes);

inline constexpr std::uint32_t kLetter = 1;  // in the place of a record's type

// Followed by the cause, filled up to 8 bytes, and the message's record as it was in the mailbox.
struct LetterHead {
  std::uint32_t bytes;  // of the whole record, a multiple of 8
  std::uint32_t type;   // kLetter
  std::uint64_t number;    // from 1 on, without a gap
  std::uint64_t at_ns;     // as of the crash
  std::uint64_t sequence;  // of the commit that dropped it
  std::uint32_t incarnation;  // of the worker that died of it
  Channel channel;         // where it came from
  std::uint32_t cause_bytes;
  std::uint32_t message_bytes;
  char sender[16];         // as in CrashEntry
};
static_assert(sizeof(LetterHead) == 64);

}  // namespace peeper::segment
