// Dead letters: whole messages that were dropped, in a ring of the segment. A letter comes into
// being with the commit that drops its message: there is no instruction at which the message is
// neither in the mailbox nor here, and none at which it is in both.
//
// Bounded by the ring's bytes and by kMostLetters: the oldest make room. Who takes one, or throws
// it away, marks it as gone; its bytes stay until they are needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/segment/crash_layout.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

// What is known of a message that is dropped.
struct Dying {
  std::uint64_t at_ns = 0;
  std::uint32_t incarnation = 0;
  Channel channel = Channel::kNone;
  std::string_view cause;   // at most sizeof CrashEntry::text of it are kept
  std::string_view sender;  // name of a process; empty: not known
};

// --- Writing: a part of Transaction, which commits it --------------------------------------------

struct LetterRing {
  Ring ring;
  LetterEnds* ends;
  const GoneLetters* gone;
};
[[nodiscard]] LetterRing letter_ring(const Segment& segment);

// Where the next letter begins, after the last commit.
[[nodiscard]] std::uint64_t next_letter_at(const LetterRing& letters, std::uint64_t letter_tail);

// Writes the letter beyond the tail, having made room for it. Returns the tail after it; `tail` if
// it could not be kept, which takes a message larger than the mailbox holds.
std::uint64_t write_letter(const LetterRing& letters, std::uint64_t tail, LetterHead head,
                           std::string_view cause, const MessageHead& message,
                           std::span<const std::byte> body);

// --- Reading -------------------------------------------------------------------------------------

// The ends, as the last commit has them: is that possible at all?
[[nodiscard]] bool letter_ends_are_sane(std::uint64_t head, std::uint64_t tail,
                                        std::uint64_t ring_bytes);

struct Letter {
  std::uint64_t number = 0;
  std::uint64_t at_ns = 0;
  std::uint64_t sequence = 0;
  std::uint32_t incarnation = 0;
  Channel channel = Channel::kNone;
  std::string cause;   // printable
  std::string sender;  // printable
  MessageHead message{};
  std::vector<std::string> strings;  // as in the mailbox: name, arguments, perhaps a token
};
// Those that are kept, oldest first, copied and checked. `wanted`: only the one of that number.
// What can't be read ends the list.
[[nodiscard]] std::vector<Letter> read_letters(const Segment& segment,
                                               std::optional<std::uint64_t> wanted = std::nullopt);
// How many are kept.
[[nodiscard]] std::size_t count_letters(const Segment& segment);
// For the daemon alone.
void mark_gone(const Segment& segment, std::uint64_t number);

}  // namespace peeper::segment
