// The daemon's reading of an outbox: what a worker wrote there is checked before it is used.
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <random>

#include "daemon/delivery/rings.hpp"
#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::daemon;
using segment::OutgoingHead;
using segment::OutgoingType;

namespace {

using Read = Rings::Read;

struct Outbox {
  test::TestSegment worker;
  Rings rings{open(worker.id)};
  std::uint64_t number = 0;

  static segment::Segment open(const segment::SegmentId& id) {
    auto opened = segment::Segment::open(id, segment::View::kRings);
    REQUIRE(opened.has_value());
    return *std::move(opened);
  }

  void send(OutgoingType type, std::vector<std::string_view> strings) {
    segment::Transaction transaction{worker.segment};
    transaction.begin(segment::Channel::kTimer, ++number, 0);
    REQUIRE(transaction.add_outgoing(type, 7, 9, strings));
    transaction.commit(transaction.mailbox_head());
  }
  Read read(std::uint64_t position, Outgoing& outgoing) {
    rings.look_at_outbox();
    return rings.read_outgoing(position, outgoing);
  }
  Read read(std::uint64_t position = 0) {
    Outgoing outgoing{};
    return read(position, outgoing);
  }
  template <class T>
  void poke(std::size_t offset, T value) {
    std::memcpy(worker.segment.outbox().at(0) + offset, &value, sizeof value);
  }
};

}  // namespace

TEST_CASE("outbox: a record is read with all its fields, any number of times") {
  Outbox box;
  box.send(OutgoingType::kCall, {"other", "name", "", "argument"});
  box.send(OutgoingType::kCast, {"third", "x"});
  for (int times = 0; times < 2; ++times) {
    Outgoing first{};
    REQUIRE(box.read(0, first) == Read::kRecord);
    CHECK(first.type == OutgoingType::kCall);
    CHECK(first.reference == 7);
    CHECK(first.target == 9);
    CHECK(first.position == 0);
    CHECK(first.strings == std::vector<std::string_view>{"other", "name", "", "argument"});
    Outgoing second{};
    REQUIRE(box.read(first.end, second) == Read::kRecord);
    CHECK(second.type == OutgoingType::kCast);
    CHECK(second.position == first.end);
    CHECK(second.strings == std::vector<std::string_view>{"third", "x"});
    CHECK(box.read(second.end) == Read::kEmpty);
  }
}

TEST_CASE("outbox: what is read is a copy that the worker can't change any more") {
  Outbox box;
  box.send(OutgoingType::kCast, {"other", "name"});
  Outgoing outgoing{};
  REQUIRE(box.read(0, outgoing) == Read::kRecord);
  std::memset(box.worker.segment.outbox().at(0), 0xff, 4096);
  CHECK(outgoing.strings == std::vector<std::string_view>{"other", "name"});
}

TEST_CASE("outbox: nothing beyond the last look is read, and arming tells of it") {
  Outbox box;
  Outgoing outgoing{};
  box.rings.look_at_outbox();
  CHECK(box.rings.arm());
  box.send(OutgoingType::kCast, {"other", "name"});
  CHECK_FALSE(box.rings.arm());
  CHECK(box.rings.read_outgoing(0, outgoing) == Read::kEmpty);
  box.rings.look_at_outbox();
  CHECK(box.rings.read_outgoing(0, outgoing) == Read::kRecord);
  CHECK(box.rings.arm());
  CHECK(box.worker.segment.control().replies.armed == 1);
}

TEST_CASE("outbox: a freed outbox wakes the worker that waits for room") {
  Outbox box;
  box.send(OutgoingType::kCast, {"other", "name"});
  segment::Control& control = box.worker.segment.control();
  Outgoing outgoing{};
  REQUIRE(box.read(0, outgoing) == Read::kRecord);
  box.rings.free_outbox(outgoing.end);
  CHECK(control.outbox.head == outgoing.end);
  CHECK(control.replies.room == 0);

  box.send(OutgoingType::kCast, {"other", "name"});
  REQUIRE(box.read(outgoing.end, outgoing) == Read::kRecord);
  control.replies.writer_waits = 1;
  box.rings.free_outbox(outgoing.end);
  CHECK(control.replies.room == 1);
}

TEST_CASE("outbox: the next daemon goes on where the head stands") {
  Outbox box;
  box.send(OutgoingType::kCast, {"other", "first"});
  box.send(OutgoingType::kCast, {"other", "second"});
  Outgoing outgoing{};
  REQUIRE(box.read(0, outgoing) == Read::kRecord);
  box.rings.free_outbox(outgoing.end);

  Rings next{Outbox::open(box.worker.id)};
  CHECK(next.uid() == box.rings.uid());
  CHECK(next.outbox_head() == outgoing.end);
  next.look_at_outbox();
  REQUIRE(next.read_outgoing(next.outbox_head(), outgoing) == Read::kRecord);
  CHECK(outgoing.strings[1] == "second");
}

TEST_CASE("outbox: records wrap around the ring's end, padding is skipped") {
  Outbox box;
  const std::string large(20'000, 'x');
  std::uint64_t position = 0;
  for (int i = 0; i < 20; ++i) {
    box.send(OutgoingType::kCast, {"other", large});
    Outgoing outgoing{};
    REQUIRE(box.read(position, outgoing) == Read::kRecord);
    CHECK(outgoing.strings[1] == large);
    CHECK(outgoing.position >= position);
    position = outgoing.end;
    box.rings.free_outbox(position);
  }
  CHECK(position > 5 * box.worker.segment.outbox().bytes());
}

TEST_CASE("outbox: garbage in any field is damage, not believed") {
  const auto damaged_by = [](auto&& change) {
    Outbox box;
    box.send(OutgoingType::kCall, {"other", "name"});
    REQUIRE(box.read() == Read::kRecord);
    change(box);
    return box.read() == Read::kDamaged;
  };
  const auto with = [&](std::size_t offset, auto value) {
    return damaged_by([&](Outbox& box) { box.poke(offset, value); });
  };
  for (const std::uint32_t bytes : {0U, 1U, 4U, 8U, 24U, 31U, 4096U, 0x7fff'fff8U, 0xffff'ffffU}) {
    CAPTURE(bytes);
    CHECK(with(offsetof(OutgoingHead, bytes), bytes));
  }
  for (const std::uint32_t type : {0U, 6U, 0xffff'ffffU}) {
    CAPTURE(type);
    CHECK(with(offsetof(OutgoingHead, type), type));
  }
  CHECK(with(offsetof(OutgoingHead, reference), std::uint64_t{0}));
  for (const std::uint32_t strings : {0U, 1U, 3U, 1000U, 0x4000'0000U, 0x8000'0001U, ~0U}) {
    CAPTURE(strings);
    CHECK(with(offsetof(OutgoingHead, strings), strings));
  }
  for (const std::size_t which : {0U, 1U})
    for (const std::uint32_t length : {64U, 0x7fff'ffffU, 0xffff'ffffU}) {
      CAPTURE(which);
      CAPTURE(length);
      CHECK(with(sizeof(OutgoingHead) + 4 * which, length));
    }
  for (const std::uint64_t tail : {1ULL, 8ULL, 1ULL << 20, ~0ULL, ~7ULL}) {
    CAPTURE(tail);
    CHECK(damaged_by([&](Outbox& box) { box.worker.segment.control().outbox.tail = tail; }));
  }
  // The number of strings that a type asks for.
  const auto is_read = [](OutgoingType type, std::vector<std::string_view> strings) {
    Outbox box;
    box.send(type, std::move(strings));
    return box.read() == Read::kRecord;
  };
  CHECK_FALSE(is_read(OutgoingType::kCast, {"other"}));
  CHECK_FALSE(is_read(OutgoingType::kInfo, {"other"}));
  CHECK(is_read(OutgoingType::kInfo, {"other", "name"}));
  CHECK(is_read(OutgoingType::kAnswer, {":1\r\n"}));
  CHECK_FALSE(is_read(OutgoingType::kAnswer, {":1\r\n", ":2\r\n"}));
  CHECK(is_read(OutgoingType::kPublish, {"channel", ":1\r\n"}));
  CHECK_FALSE(is_read(OutgoingType::kPublish, {"channel"}));
  CHECK_FALSE(is_read(OutgoingType::kPublish, {"channel", ":1\r\n", "more"}));
}

TEST_CASE("outbox: any bytes whatever are read to their end or found damaged") {
  int records = 0;
  int damaged = 0;
  for (std::uint32_t seed = 1; seed <= 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    Outbox box;
    for (int i = 0; i < 5; ++i) box.send(OutgoingType::kCast, {"other", "name", "argument"});
    const std::uint64_t tail = box.worker.segment.control().outbox.tail;
    for (std::uint32_t changes = 1 + random() % 3; changes > 0; --changes)
      box.poke(random() % tail, static_cast<std::uint8_t>(random()));
    for (std::uint64_t position = 0; position != tail;) {
      Outgoing outgoing{};
      const Read read = box.read(position, outgoing);
      if (read != Read::kRecord) {
        damaged += read == Read::kDamaged;
        break;
      }
      ++records;
      REQUIRE(outgoing.end > position);
      REQUIRE(outgoing.end <= tail);
      for (const std::string_view text : outgoing.strings)
        for (const char c : text) (void)*const_cast<const volatile char*>(&c);
      position = outgoing.end;
    }
  }
  CHECK(records > 1000);
  CHECK(damaged > 500);
}
