// A small segment of its own name for a test, and copies of it.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/limits.hpp"
#include "common/segment/message.hpp"
#include "common/segment/recovery.hpp"
#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"

namespace peeper::test {

inline segment::SegmentId fresh_id() {
  static std::atomic<int> count{0};
  return {"unit" + std::to_string(::getpid()) + "x" + std::to_string(++count), "server"};
}

inline segment::Wanted small_segment() { return {"behaviour", 64 * 1024, 64 * 1024}; }

// Removes the name when done.
struct TestSegment {
  segment::SegmentId id = fresh_id();
  segment::Segment segment;

  explicit TestSegment(const segment::Wanted& wanted = small_segment())
      : segment(make(id, wanted)) {}
  ~TestSegment() { segment::remove_segment(id); }

  static segment::Segment make(const segment::SegmentId& id, const segment::Wanted& wanted) {
    auto made = segment::Segment::open_or_create(id, wanted, std::chrono::milliseconds{0});
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().what));
    return *std::move(made);
  }

  // Everything from the header to the journal's end.
  [[nodiscard]] std::span<std::byte> bytes() const {
    return {reinterpret_cast<std::byte*>(&segment.header()), segment.plan().total_bytes};
  }
  [[nodiscard]] std::vector<std::byte> heap() const {
    return {segment.heap().begin(), segment.heap().end()};
  }
};

// Of a message: from a client, or the number in another server's stream.
struct Origin {
  std::uint64_t stream = 0;
  std::uint64_t number = 0;
};

// What the daemon does: puts one message into the mailbox.
inline void push(const segment::Segment& segment, segment::MessageType type, std::uint64_t request,
                 std::vector<std::string_view> strings, Origin origin = {}) {
  segment::Control& control = segment.control();
  const std::uint64_t tail = control.mailbox.tail.load();
  const std::uint64_t bytes = segment::record_bytes<segment::MessageHead>(strings);
  const auto place = segment::place_record(control.mailbox.head.load(), tail,
                                           segment.mailbox().bytes(), bytes);
  REQUIRE(place.has_value());
  segment.mailbox().write_pad(tail, place->pad);
  segment::MessageHead head{};
  head.bytes = static_cast<std::uint32_t>(bytes);
  head.type = type;
  head.request = request;
  head.stream = origin.stream;
  head.number = origin.number;
  head.epoch = control.replies.epoch.load();
  head.strings = static_cast<std::uint32_t>(strings.size());
  std::memcpy(segment.mailbox().at(place->start), &head, sizeof head);
  segment::write_strings(segment.mailbox().at(place->start) + sizeof head, strings);
  control.mailbox.tail.store(place->end);
}

// The committed replies, as text; the daemon has read none of them.
inline std::vector<std::string> replies(const segment::Segment& segment) {
  std::vector<std::string> values;
  std::uint64_t position = segment.control().replies.head.load();
  const std::uint64_t tail = segment.control().replies.tail.load();
  while (position != tail) {
    const auto found = segment.replies().find<segment::ReplyHead>(position, tail);
    if (found.status != found.kRecord) break;
    values.emplace_back(reinterpret_cast<const char*>(found.body.data()), found.head.value_bytes);
    position = found.position + found.head.bytes;
  }
  return values;
}

// The committed answers to calls of other servers, as text; the daemon has carried none of them.
inline std::vector<std::string> answers(const segment::Segment& segment) {
  std::vector<std::string> values;
  std::uint64_t position = segment.control().outbox.head.load();
  const std::uint64_t tail = segment.control().outbox.tail.load();
  while (position != tail) {
    const auto found = segment.outbox().find<segment::OutgoingHead>(position, tail);
    if (found.status != found.kRecord || found.head.type != segment::OutgoingType::kAnswer) break;
    if (!segment::read_strings(found.head, found.body,
                               [&](std::string_view text) { values.emplace_back(text); }))
      break;
    position = found.position + found.head.bytes;
  }
  return values;
}

inline segment::Death seen_signal(int signal, std::uint32_t incarnation = 1) {
  return {segment::Observed::kSeen, signal, incarnation};
}

}  // namespace peeper::test
