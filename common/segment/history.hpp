// The history: the last crashes of a server, each with its cause, its place, and what was in
// flight. It lies in the segment, so that it survives all processes.
//
// Writing is the keeper's, in a recovery, which may be killed at any instruction and done again: an
// incarnation dies once, and by that an entry that is there already is known. Reading is anybody's;
// nothing is believed before it is checked, and what is copied while it is overwritten is left out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/segment/crash_layout.hpp"
#include "common/segment/death.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

// What was in flight.
struct Flight {
  // The message, and as much of its strings as an entry keeps.
  void take(const MessageHead& head, std::span<const std::byte> strings);

  Channel channel = Channel::kNone;  // kNone: nothing
  std::uint32_t attempt = 0;
  Verdict verdict = Verdict::kNothing;
  std::string name;    // printable
  std::string sender;  // name of a process, printable
  MessageHead message{};  // bytes: 0 if it was none of the mailbox's
  std::vector<std::byte> body;  // the beginning of its strings
};

// Writes the death down, once. Returns the entry's number; 0: it is no crash, or, of a death that
// nobody saw, one that an earlier daemon has been told of.
std::uint64_t remember_crash(const Segment& segment, const Death& death,
                             const CrashReport& report, const Flight& flight);

// --- Reading -------------------------------------------------------------------------------------

struct CodePlace {
  std::string module;  // path; empty: none that is known
  std::uint64_t offset;
  bool is_exact;  // else it is where a call returns to
};
// Checked and bounded; innermost first.
[[nodiscard]] std::vector<CodePlace> read_backtrace(const Backtrace& backtrace);

struct Crash {
  std::uint64_t number = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t sequence = 0;
  std::uint32_t incarnation = 0;
  std::uint32_t count = 0;
  CrashCause cause = CrashCause::kUnseen;
  int wait_status = 0;
  int signal = 0;
  std::uint64_t address = 0;
  bool has_address = false;
  std::string text;
  Channel channel = Channel::kNone;
  Verdict verdict = Verdict::kNothing;
  std::uint32_t attempt = 0;
  std::string name;
  std::string sender;
  MessageHead message{};
  // Its strings, the name first; perhaps cut, and perhaps not all of message.strings.
  std::vector<std::string> strings;
  std::vector<CodePlace> backtrace;
};
// Oldest first.
[[nodiscard]] std::vector<Crash> read_history(const Segment& segment);

// "signal", "exception", "exit", "hung", "refused", "unseen"
[[nodiscard]] std::string_view word_for(CrashCause cause);
// "mailbox", "timer", "continue", "timeout", "init", …; "" for kNone
[[nodiscard]] std::string_view word_for(Channel channel);

}  // namespace peeper::segment
