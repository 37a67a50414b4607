// The strings of a record in mailbox or outbox, written and, checked, read.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/segment/ring.hpp"

namespace peeper::segment {

// Which call a message answers; 0: it is no answer.
[[nodiscard]] inline std::uint64_t answered_call(const MessageHead& head) {
  return head.type == MessageType::kAnswer ? head.request : 0;
}

// Bytes of the record with this head that holds `strings`.
template <class Head, class Strings>
[[nodiscard]] std::uint64_t record_bytes(const Strings& strings) {
  std::uint64_t bytes = sizeof(Head);
  for (const std::string_view s : strings) bytes += sizeof(std::uint32_t) + s.size();
  return align8(bytes);
}

// Writes lengths and bytes behind a record's head.
template <class Strings>
void write_strings(std::byte* body, const Strings& strings) {
  std::byte* length = body;
  std::byte* bytes = body + strings.size() * sizeof(std::uint32_t);
  for (const std::string_view s : strings) {
    const auto size = static_cast<std::uint32_t>(s.size());
    std::memcpy(std::exchange(length, length + sizeof size), &size, sizeof size);
    if (!s.empty()) std::memcpy(bytes, s.data(), s.size());
    bytes += s.size();
  }
}

// Calls `take(std::string_view)` for each string of a record. False if the lengths don't fit the
// body; then only some were taken.
template <class Head, class Take>
[[nodiscard]] bool read_strings(const Head& head, std::span<const std::byte> body,
                                Take take) {
  if (head.strings == 0 || head.strings > body.size() / sizeof(std::uint32_t)) return false;
  std::size_t at = head.strings * sizeof(std::uint32_t);
  for (std::uint32_t i = 0; i < head.strings; ++i) {
    std::uint32_t size = 0;
    std::memcpy(&size, body.data() + i * sizeof size, sizeof size);
    if (size > body.size() - at) return false;
    take(std::string_view{reinterpret_cast<const char*>(body.data()) + at, size});
    at += size;
  }
  return true;
}

}  // namespace peeper::segment
