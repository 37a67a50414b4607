// Outgoing messages that can't be delivered, or not yet, and answers.
#include <doctest/doctest.h>

#include "courier_fixture.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("courier: a call to no server is answered, a cast to none dropped and counted") {
  Post post;
  const std::string long_name(5000, 'x');
  post.send(OutgoingType::kCall, {"nobody", "get"});
  post.cast("nobody", "1");
  post.send(OutgoingType::kCall, {long_name, "get"});
  post.carry();
  REQUIRE(post.a.taken.size() == 2);
  CHECK(post.a.taken[0].type == MessageType::kAnswer);
  CHECK(post.a.taken[0].request == 101);
  CHECK(post.a.taken[0].number == 1);
  CHECK(post.a.taken[0].stream == post.uid());
  CHECK(post.a.taken[0].strings[0].starts_with("-NOSERVER there is no server 'nobody'"));
  CHECK(post.a.taken[1].request == 103);
  CHECK(post.a.taken[1].strings[0].starts_with("-NOSERVER there is no server 'xxx"));
  CHECK(post.courier->dropped() == 1);
  CHECK(post.all_done());
}

TEST_CASE("courier: what is too big, or for a server that is down, ends in an error or nowhere") {
  Post post;
  post.b.answer = Answer::kDown;
  post.c.most_bytes = 10;
  post.send(OutgoingType::kCall, {"b", "get"});
  post.cast("b", "1");
  post.send(OutgoingType::kCall, {"c", "get", "more than ten bytes"});
  post.cast("c", "more than ten bytes");
  post.cast("c", "2");
  post.carry();
  REQUIRE(post.a.taken.size() == 2);
  CHECK(post.a.taken[0].strings[0] == "-DOWN b: test\r\n");
  CHECK(post.a.taken[0].stream == post.uid());
  CHECK(post.a.taken[1].strings[0] == "-TOOBIG c: test\r\n");
  CHECK(post.a.taken[1].stream == post.uid());
  CHECK(post.c.arrived() == "2 ");
  CHECK(post.courier->dropped() == 2);
  CHECK(post.all_done());
}

TEST_CASE("courier: an error waits for room at its caller, a receiver back by then gets the call") {
  Post post;
  post.b.answer = Answer::kDown;
  post.a.room = 0;
  post.send(OutgoingType::kCall, {"b", "get"});
  post.cast("b", "behind it");
  post.cast("c", "1");
  post.carry();
  CHECK(post.c.arrived() == "1 ");
  CHECK(post.b.taken.empty());
  CHECK(post.head() == 0);
  SUBCASE("room comes first") {
    post.a.room = SIZE_MAX;
    post.a.offer_room();
    post.carry();
    REQUIRE(post.a.taken.size() == 1);
    CHECK(post.a.taken[0].strings[0] == "-DOWN b: test\r\n");
    CHECK(post.b.taken.empty());
  }
  SUBCASE("the receiver comes first") {
    post.b.answer = Answer::kDelivered;
    post.a.room = SIZE_MAX;
    post.a.offer_room();
    post.carry();
    CHECK(post.a.taken.empty());
    CHECK(post.b.arrived() == "get behind it ");
  }
  CHECK(post.all_done());
}

TEST_CASE("courier: a server that starts, or stops with the daemon, is waited for") {
  Post post;
  post.b.answer = Answer::kWait;
  post.send(OutgoingType::kCall, {"b", "get"});
  post.cast("c", "1");
  post.carry();
  CHECK(post.c.arrived() == "1 ");
  CHECK(post.a.taken.empty());
  CHECK(post.head() == 0);
  post.b.offer_room();
  post.carry();
  CHECK(post.head() == 0);
  post.b.answer = Answer::kDelivered;
  post.b.offer_room();
  post.carry();
  CHECK(post.b.arrived() == "get ");
  CHECK(post.all_done());
}

TEST_CASE("courier: an answer goes to the segment that asked, and nowhere if that is gone") {
  Post post;
  post.send(OutgoingType::kAnswer, {":42\r\n"}, kUidC);
  post.send(OutgoingType::kAnswer, {":43\r\n"}, 77);
  post.send(OutgoingType::kAnswer, {":44\r\n"}, 0);
  post.cast("c", "1");
  post.carry();
  REQUIRE(post.c.taken.size() == 2);
  CHECK(post.c.taken[0].type == MessageType::kAnswer);
  CHECK(post.c.taken[0].request == 101);
  CHECK(post.c.taken[0].stream == post.uid());
  CHECK(post.c.taken[0].number == 1);
  CHECK(post.c.taken[0].strings == std::vector<std::string>{":42\r\n"});
  CHECK(post.courier->dropped() == 2);
  CHECK(post.all_done());
}

TEST_CASE("courier: an answer that is too big or no RESP3 is replaced by an error, in its place") {
  Post post;
  post.c.most_bytes = 100;
  const std::string big = "+" + std::string(200, 'x') + "\r\n";
  post.send(OutgoingType::kAnswer, {big}, kUidC);
  post.send(OutgoingType::kAnswer, {"garbage"}, kUidC);
  post.send(OutgoingType::kAnswer, {"garbage"}, 77);
  post.carry();
  REQUIRE(post.c.taken.size() == 2);
  CHECK(post.c.taken[0].strings[0] == "-TOOBIG c: test\r\n");
  CHECK(post.c.taken[0].request == 101);
  CHECK(post.c.taken[0].stream == post.uid());
  CHECK(post.c.taken[1].strings[0] == "-ERR server 'a' wrote a malformed reply\r\n");
  CHECK(post.all_done());
}

TEST_CASE("courier: while a server's segment isn't attached, nothing overtakes an answer for it") {
  Post post;
  post.exchange.unattached = &post.c;
  post.c.answer = Answer::kWait;
  post.cast("b", "1");
  post.send(OutgoingType::kAnswer, {":42\r\n"}, kUidC);
  post.cast("c", "behind it");
  post.carry();
  CHECK(post.b.arrived() == "1 ");
  post.carry();
  CHECK(post.c.asked == 0);
  CHECK(post.c.waiting.size() == 1);

  post.exchange.unattached = nullptr;
  post.c.answer = Answer::kDelivered;
  post.c.offer_room();
  post.carry();
  CHECK(post.c.arrived() == ":42\r\n behind it ");
  CHECK(post.all_done());
}
