// Where records lie in a ring, as pure functions, and the checked reading of one record's head.
// The layout is in layout.hpp. A ring knows nothing of ends: whoever owns an end keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "common/segment/layout.hpp"

namespace peeper::segment {

constexpr std::uint64_t align8(std::uint64_t bytes) { return (bytes + 7) & ~std::uint64_t{7}; }

// Are these ends possible at all? To be asked of any pair read from shared memory.
constexpr bool ends_are_sane(std::uint64_t head, std::uint64_t tail, std::uint64_t ring_bytes) {
  return head <= tail && tail - head <= ring_bytes && head % 8 == 0 && tail % 8 == 0;
}

// A record of up to half the ring fits sooner or later, whatever padding it needs.
constexpr std::uint64_t largest_record(std::uint64_t ring_bytes) { return ring_bytes / 2; }

struct Place {
  std::uint64_t pad;    // bytes of padding at the tail, 0 if none
  std::uint64_t start;  // position of the record
  std::uint64_t end;    // the tail after it
};

// Place of a record of `record_bytes` (a multiple of 8) after `tail`; none if there is no room yet.
constexpr std::optional<Place> place_record(std::uint64_t head, std::uint64_t tail,
                                            std::uint64_t ring_bytes,
                                            std::uint64_t record_bytes) {
  const std::uint64_t before_end = ring_bytes - tail % ring_bytes;
  const std::uint64_t pad = record_bytes <= before_end ? 0 : before_end;
  if (pad + record_bytes > ring_bytes - (tail - head)) return std::nullopt;
  return Place{pad, tail + pad, tail + pad + record_bytes};
}

// The memory of one ring. Does not own it. `bytes` is a power of two.
class Ring {
 public:
  Ring() = default;
  Ring(std::byte* memory, std::uint64_t bytes) : memory_(memory), bytes_(bytes) {}

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::byte* at(std::uint64_t position) const {
    return memory_ + (position & (bytes_ - 1));
  }

  void write_pad(std::uint64_t position, std::uint64_t pad_bytes) const {
    if (pad_bytes == 0) return;
    const std::uint32_t head[2] = {static_cast<std::uint32_t>(pad_bytes), kPad};
    std::memcpy(at(position), head, sizeof head);
  }

  // The record at `position`, its head copied and checked against `tail`; padding is skipped.
  // At the tail, and after nothing but padding: kEmpty.
  template <class Head>
  struct Found {
    enum { kEmpty, kRecord, kMalformed } status;
    Head head;                        // a copy
    std::uint64_t position;           // of the record
    std::span<const std::byte> body;  // all after the head; still the other side's memory
  };
  template <class Head>
  [[nodiscard]] Found<Head> find(std::uint64_t position, std::uint64_t tail) const {
    Found<Head> found{Found<Head>::kMalformed, {}, position, {}};
    if (position % 8 != 0 || position > tail || tail - position > bytes_) return found;
    for (int skipped = 0; skipped < 2; ++skipped) {
      if (found.position == tail) {
        found.status = Found<Head>::kEmpty;
        return found;
      }
      std::uint32_t first[2];
      std::memcpy(first, at(found.position), sizeof first);
      const std::uint64_t to_end = bytes_ - (found.position & (bytes_ - 1));
      const std::uint64_t record = first[0];
      if (record < 8 || record % 8 != 0 || record > to_end || record > tail - found.position)
        return found;
      if (first[1] == kPad) {
        if (record != to_end) return found;  // only the ring's end is ever padded
        found.position += record;
        continue;
      }
      if (record < sizeof(Head)) return found;
      std::memcpy(&found.head, at(found.position), sizeof(Head));
      found.head.bytes = first[0];  // as checked, whatever stands there now
      found.body = {at(found.position) + sizeof(Head), record - sizeof(Head)};
      found.status = Found<Head>::kRecord;
      return found;
    }
    return found;
  }

 private:
  std::byte* memory_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace peeper::segment
