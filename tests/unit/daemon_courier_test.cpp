// One server's outgoing messages on their way: order, turns, restarts, damage.
#include <doctest/doctest.h>

#include "courier_fixture.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("courier: casts, infos and calls arrive with their sender's stream and their number") {
  Post post;
  const std::uint64_t first = post.tail();
  post.send(OutgoingType::kCast, {"b", "add", "1", ""});
  const std::uint64_t second = post.tail();
  post.send(OutgoingType::kInfo, {"b", "hello"});
  const std::uint64_t third = post.tail();
  post.send(OutgoingType::kCall, {"b", "get"});
  post.carry();
  REQUIRE(post.b.taken.size() == 3);
  CHECK(post.b.taken[0].type == MessageType::kCast);
  CHECK(post.b.taken[0].strings == std::vector<std::string>{"add", "1", ""});
  CHECK(post.b.taken[0].request == 0);
  CHECK(post.b.taken[0].number == first + 1);
  CHECK(post.b.taken[1].type == MessageType::kInfo);
  CHECK(post.b.taken[1].number == second + 1);
  CHECK(post.b.taken[2].type == MessageType::kCall);
  CHECK(post.b.taken[2].request == 103);
  CHECK(post.b.taken[2].number == third + 1);
  for (const Taken& message : post.b.taken) CHECK(message.stream == post.uid());
  CHECK(post.all_done());
}

TEST_CASE("courier: a full mailbox delays neither other receivers nor their order") {
  Post post;
  post.b.room = 1;
  for (const char* text : {"1", "2", "3"}) {
    post.cast("b", text);
    post.cast("c", text);
  }
  post.carry();
  CHECK(post.b.arrived() == "1 ");
  CHECK(post.c.arrived() == "1 2 3 ");
  CHECK(post.head() < post.tail());
  CHECK(post.courier->waiting() == 2);
  // Nobody asks again before there is room.
  const int asked = post.b.asked;
  post.carry();
  CHECK(post.b.asked == asked);

  post.b.room = 1;
  post.b.offer_room();
  post.carry();
  CHECK(post.b.arrived() == "1 2 ");
  post.cast("b", "4");
  post.cast("b", "5");
  post.carry();
  // It goes on by itself, whatever its own worker does.
  post.b.room = SIZE_MAX;
  post.b.offer_room();
  post.run_loop();
  CHECK(post.b.arrived() == "1 2 3 4 5 ");
  CHECK(post.all_done());
}

TEST_CASE("courier: who waits for the same room takes turns, message by message") {
  struct Other : RoomWaiter {
    int offered = 0;
    void room_available() override { ++offered; }
  };
  Post post;
  post.b.room = 0;
  for (int i = 0; i < 10; ++i) post.cast("b", "x");
  post.carry();
  const auto other = std::make_shared<Other>();
  post.b.wait_for_room(other);
  post.b.room = 1;
  post.b.offer_room();
  CHECK(post.b.taken.size() == 1);
  CHECK(other->offered == 1);
}

TEST_CASE("courier: a server sends to itself like to any other") {
  Post post;
  post.cast("a", "1");
  post.send(OutgoingType::kAnswer, {":2\r\n"}, post.uid());
  post.a.room = 1;
  post.carry();
  CHECK(post.a.arrived() == "1 ");
  post.a.room = SIZE_MAX;
  post.a.offer_room();
  post.carry();
  CHECK(post.a.arrived() == "1 :2\r\n ");
  CHECK(post.all_done());
}

TEST_CASE("courier: what is published leaves at once, unless it is no value") {
  Post post;
  post.b.room = 0;
  post.cast("b", "1");
  post.send(OutgoingType::kPublish, {"ticks", ":7\r\n"});
  post.send(OutgoingType::kPublish, {"ticks", "garbage"});
  post.send(OutgoingType::kPublish, {"ticks", ":8\r\n:9\r\n"});
  post.carry();
  CHECK(post.exchange.published == "a/ticks=:7\r\n");
  CHECK(post.courier->dropped() == 2);
  CHECK(post.courier->waiting() == 1);
}

TEST_CASE("courier: the next daemon delivers again what was not done, under the same numbers") {
  Post post;
  post.b.room = 0;
  post.cast("b", "1");
  post.cast("c", "2");
  post.cast("b", "3");
  post.carry();
  REQUIRE(post.c.arrived() == "2 ");
  post.b.room = SIZE_MAX;
  post.start_daemon();
  post.carry();
  CHECK(post.b.arrived() == "1 3 ");
  // Twice, as its worker can tell: the number is the same.
  REQUIRE(post.c.arrived() == "2 2 ");
  CHECK(post.c.taken[0].number == post.c.taken[1].number);
  CHECK(post.all_done());
  post.start_daemon();
  post.carry();
  CHECK(post.b.taken.size() == 2);
}

TEST_CASE("courier: a long outbox is carried in batches, with turns for others in between") {
  Post post;
  for (int i = 0; i < 700; ++i) post.cast("b", "x");
  post.courier->carry();
  const std::size_t batch = post.b.taken.size();
  CHECK(batch > 0);
  CHECK(batch < 700);
  // Being told of more is no reason to go on at once.
  post.courier->carry();
  CHECK(post.b.taken.size() == batch);
  post.loop.poll();
  CHECK(post.b.taken.size() == 700);
  CHECK(post.all_done());
}

TEST_CASE("courier: a courier that is gone is not called any more") {
  Post post;
  for (int i = 0; i < 700; ++i) post.cast("b", "x");
  post.cast("c", "1");
  post.b.room = 1;
  post.c.room = 0;
  post.courier->carry();
  post.courier.reset();
  post.b.room = SIZE_MAX;
  post.b.offer_room();
  post.loop.poll();
  CHECK(post.b.taken.size() == 1);
}

TEST_CASE("courier: a message that is another one when its turn comes is damage") {
  const auto damaged_by = [](auto&& change) {
    Post post;
    post.b.room = 0;
    post.send(OutgoingType::kInfo, {"b", "1"});
    post.cast("c", "2");  // so that the first must be read again
    post.carry();
    change(post.worker.segment.outbox().at(0));
    post.b.room = SIZE_MAX;
    post.b.offer_room();
    const bool nothing_arrived = post.b.taken.empty() && post.c.taken.size() == 1;
    return post.damaged > 0 && nothing_arrived;
  };
  CHECK_FALSE(damaged_by([](std::byte*) {}));
  const auto set_type = [](OutgoingType type) {
    return [type](std::byte* record) { std::memcpy(record + 4, &type, sizeof type); };
  };
  CHECK(damaged_by(set_type(OutgoingType::kPublish)));
  CHECK(damaged_by(set_type(OutgoingType{99})));
  CHECK(damaged_by([](std::byte* record) {
    record[sizeof(segment::OutgoingHead) + 2 * 4] = std::byte{'c'};  // of "b"
  }));
}

TEST_CASE("courier: damage is told each time, and what was read before it still arrives") {
  Post post;
  post.cast("b", "1");
  const std::uint64_t at = post.tail();
  post.cast("b", "2");
  const auto garbage = std::uint32_t{13};
  std::memcpy(post.worker.segment.outbox().at(at), &garbage, sizeof garbage);
  post.carry();
  CHECK(post.b.arrived() == "1 ");
  CHECK(post.damaged == 1);
  CHECK(post.head() == at);
  post.carry();
  CHECK(post.damaged == 2);
}
