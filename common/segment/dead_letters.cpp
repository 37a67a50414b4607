#include "common/segment/dead_letters.hpp"

#include <algorithm>
#include <cstring>

#include "common/segment/death.hpp"
#include "common/segment/journal.hpp"
#include "common/segment/message.hpp"

namespace peeper::segment {
namespace {

constexpr std::uint64_t round_up(std::uint64_t position, std::uint64_t ring_bytes) {
  return (position + ring_bytes - 1) / ring_bytes * ring_bytes;
}

bool is_gone(const GoneLetters& gone, std::uint64_t number) {
  return gone.number[number % kMostLetters].load(std::memory_order_relaxed) == number;
}

using Found = Ring::Found<LetterHead>;

Found find_letter(const Ring& ring, std::uint64_t position, std::uint64_t tail) {
  Found found = ring.find<LetterHead>(position, tail);
  if (found.status != Found::kRecord) return found;
  const LetterHead& head = found.head;
  const bool fits = head.type == kLetter && head.cause_bytes <= sizeof CrashEntry::text &&
                    head.message_bytes >= sizeof(MessageHead) &&
                    align8(head.cause_bytes) + head.message_bytes <= found.body.size();
  if (!fits) found.status = Found::kMalformed;
  return found;
}

// Makes room for a letter of `bytes` after `tail`, oldest first. A ring that nobody can read is
// emptied: what is to come matters more.
Place make_room(const LetterRing& letters, std::uint64_t tail, std::uint64_t bytes,
                std::uint64_t number) {
  const std::uint64_t size = letters.ring.bytes();
  while (true) {
    const std::uint64_t head = letters.ends->head.load(std::memory_order_relaxed);
    if (head >= tail) break;
    const Found oldest = find_letter(letters.ring, head, tail);
    if (oldest.status != Found::kRecord) break;
    const auto place = place_record(head, tail, size, bytes);
    if (place && number - oldest.head.number < kMostLetters) return *place;
    const bool is_lost = !is_gone(*letters.gone, oldest.head.number);
    letters.ends->head.store(oldest.position + oldest.head.bytes, std::memory_order_seq_cst);
    compiler_fence();
    if (is_lost) letters.ends->lost.fetch_add(1, std::memory_order_relaxed);
  }
  // Nothing is left. At the ring's beginning there is room for anything that fits at all.
  std::uint64_t at = tail;
  if (size - tail % size < bytes) at = round_up(tail, size);
  letters.ends->head.store(at, std::memory_order_seq_cst);
  return Place{0, at, at + bytes};
}

}  // namespace

LetterRing letter_ring(const Segment& segment) {
  return {segment.letters(), &segment.control().letters, &segment.gone()};
}

std::uint64_t next_letter_at(const LetterRing& letters, std::uint64_t letter_tail) {
  return std::max(letter_tail, letters.ends->head.load(std::memory_order_acquire));
}

std::uint64_t write_letter(const LetterRing& letters, std::uint64_t tail, LetterHead head,
                           std::string_view cause, const MessageHead& message,
                           std::span<const std::byte> body) {
  cause = cause.substr(0, sizeof CrashEntry::text);
  head.type = kLetter;
  head.cause_bytes = static_cast<std::uint32_t>(cause.size());
  head.message_bytes = static_cast<std::uint32_t>(sizeof message + body.size());
  const std::uint64_t bytes =
      align8(sizeof head + align8(head.cause_bytes) + head.message_bytes);
  if (bytes > letters.ring.bytes()) return tail;
  head.bytes = static_cast<std::uint32_t>(bytes);
  const Place place = make_room(letters, tail, bytes, head.number);
  letters.ring.write_pad(tail, place.pad);
  std::byte* to = letters.ring.at(place.start);
  std::memcpy(to, &head, sizeof head);
  to += sizeof head;
  std::memcpy(to, cause.data(), cause.size());
  to += align8(cause.size());
  std::memcpy(to, &message, sizeof message);
  if (!body.empty()) std::memcpy(to + sizeof message, body.data(), body.size());
  return place.end;
}

bool letter_ends_are_sane(std::uint64_t head, std::uint64_t tail, std::uint64_t ring_bytes) {
  return ends_are_sane(head, tail, ring_bytes) ||
         (tail % 8 == 0 && tail < UINT64_MAX - ring_bytes && head == round_up(tail, ring_bytes));
}

namespace {

// Calls `take(found)` for each letter that isn't gone, until it says false.
template <class Take>
void for_each_letter(const Segment& segment, Take take) {
  const LetterEnds& ends = segment.control().letters;
  const Ring& ring = segment.letters();
  const std::uint64_t tail = ends.tail.load(std::memory_order_acquire);
  std::uint64_t position = ends.head.load(std::memory_order_acquire);
  if (position >= tail || !ends_are_sane(position, tail, ring.bytes())) return;
  std::uint64_t last = 0;
  while (true) {
    const Found found = find_letter(ring, position, tail);
    if (found.status != Found::kRecord || found.head.number <= last) return;
    last = found.head.number;
    if (!is_gone(segment.gone(), last) && !take(found)) return;
    position = found.position + found.head.bytes;
  }
}

std::optional<Letter> copy_letter(const Segment& segment, const Found& found) {
  const std::vector<std::byte> body{found.body.begin(), found.body.end()};
  // It may have had to make room meanwhile.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (segment.control().letters.head.load(std::memory_order_relaxed) > found.position)
    return std::nullopt;
  const LetterHead& head = found.head;
  Letter letter;
  letter.number = head.number;
  letter.at_ns = head.at_ns;
  letter.sequence = head.sequence;
  letter.incarnation = head.incarnation;
  if (static_cast<std::uint32_t>(head.channel) < kChannels) letter.channel = head.channel;
  letter.cause =
      printable({reinterpret_cast<const char*>(body.data()), head.cause_bytes}, head.cause_bytes);
  letter.sender =
      printable({head.sender, ::strnlen(head.sender, sizeof head.sender)}, sizeof head.sender);
  const auto record = std::span{body}.subspan(align8(head.cause_bytes), head.message_bytes);
  std::memcpy(&letter.message, record.data(), sizeof letter.message);
  const bool readable =
      read_strings(letter.message, record.subspan(sizeof letter.message),
                   [&](std::string_view text) { letter.strings.emplace_back(text); });
  if (!readable) return std::nullopt;
  return letter;
}

}  // namespace

std::vector<Letter> read_letters(const Segment& segment, std::optional<std::uint64_t> wanted) {
  std::vector<Letter> letters;
  for_each_letter(segment, [&](const Found& found) {
    if (wanted && found.head.number != *wanted) return true;
    if (auto letter = copy_letter(segment, found)) letters.push_back(*std::move(letter));
    return !wanted;
  });
  return letters;
}

std::size_t count_letters(const Segment& segment) {
  std::size_t count = 0;
  for_each_letter(segment, [&](const Found&) {
    ++count;
    return true;
  });
  return count;
}

void mark_gone(const Segment& segment, std::uint64_t number) {
  segment.gone().number[number % kMostLetters].store(number, std::memory_order_seq_cst);
}

}  // namespace peeper::segment
