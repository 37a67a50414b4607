// Which outgoing message is next, what becomes of one that can't be delivered, where the head is.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "daemon/delivery/router.hpp"

using namespace peeper;
using namespace peeper::daemon;
using segment::OutgoingType;

namespace {

// Message n lies at 100 n and ends 40 bytes later: between records there may be padding.
Router::Place place_of(std::uint64_t n) { return {100 * n, 100 * n + 40}; }

std::string turn_of(const Router& router) {
  const auto turn = router.next();
  return turn ? std::string(turn->receiver) + std::to_string(turn->position / 100) : "none";
}

}  // namespace

TEST_CASE("outgoing: messages to one receiver keep their order, receivers take turns") {
  Router router{0};
  router.add("a", place_of(1));
  router.add("a", place_of(2));
  router.add("b", place_of(3));
  router.add("a", place_of(4));
  std::string order;
  while (const auto turn = router.next()) {
    order += turn_of(router) + " ";
    router.finish(turn->receiver);
  }
  CHECK(order == "a1 b3 a2 a4 ");
  CHECK(router.unfinished() == 0);
}

TEST_CASE("outgoing: a blocked receiver delays nobody else and holds the head before its message") {
  Router router{0};
  router.add("full", place_of(1));
  router.add("a", place_of(2));
  router.add("full", place_of(3));
  router.add("a", place_of(4));
  router.block("full");
  CHECK(turn_of(router) == "a2");
  router.finish("a");
  CHECK(turn_of(router) == "a4");
  router.finish("a");
  CHECK(turn_of(router) == "none");
  CHECK(router.head() == 0);
  CHECK(router.unfinished() == 2);
  // Another message to it waits behind.
  router.add("full", place_of(5));
  CHECK(turn_of(router) == "none");
  CHECK_FALSE(router.next("full").has_value());

  router.unblock("full");
  CHECK(turn_of(router) == "full1");
  router.finish("full");
  CHECK(router.head() == place_of(2).end);
  router.block("full");
  CHECK(router.head() == place_of(2).end);
  router.unblock("full");
  router.finish("full");
  router.finish("full");
  CHECK(router.head() == place_of(5).end);
}

TEST_CASE("outgoing: the head moves over the finished prefix only, passed ones included") {
  Router router{40};
  CHECK(router.head() == 40);
  router.pass(place_of(1));
  CHECK(router.head() == place_of(1).end);
  router.add("a", place_of(2));
  router.pass(place_of(3));
  CHECK(router.head() == place_of(1).end);
  CHECK(router.read() == place_of(3).end);
  router.finish("a");
  CHECK(router.head() == place_of(3).end);
}

TEST_CASE("outgoing: an undeliverable call is answered, an answer that is too big replaced") {
  for (const OutgoingType type : {OutgoingType::kCall, OutgoingType::kCast, OutgoingType::kInfo,
                                  OutgoingType::kAnswer, OutgoingType::kPublish}) {
    CHECK(on_answer(type, Answer::kDelivered) == Step::kFinish);
    CHECK(on_answer(type, Answer::kFull) == Step::kWait);
    CHECK(on_answer(type, Answer::kWait) == Step::kWait);
  }
  for (const Answer never : {Answer::kUnknown, Answer::kDown, Answer::kTooBig}) {
    CHECK(on_answer(OutgoingType::kCall, never) == Step::kTellCaller);
    CHECK(on_answer(OutgoingType::kCast, never) == Step::kDrop);
    CHECK(on_answer(OutgoingType::kInfo, never) == Step::kDrop);
    CHECK(on_answer_of_caller(never) == Step::kDrop);
  }
  CHECK(on_answer(OutgoingType::kAnswer, Answer::kTooBig) == Step::kTellReceiver);
  CHECK(on_answer(OutgoingType::kAnswer, Answer::kDown) == Step::kDrop);
  CHECK(on_answer(OutgoingType::kAnswer, Answer::kUnknown) == Step::kDrop);
  CHECK(on_answer_of_caller(Answer::kDelivered) == Step::kFinish);
  CHECK(on_answer_of_caller(Answer::kFull) == Step::kWait);
  CHECK(on_answer_of_caller(Answer::kWait) == Step::kWait);
}

TEST_CASE("outgoing: whoever blocks in whatever order, all arrives once, in order per receiver") {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random{seed};
    const auto roll = [&](std::uint32_t sides) { return random() % sides; };
    Router router{0};
    const std::string names[] = {"a", "b", "c", "d"};
    std::map<std::string, std::vector<std::uint64_t>> sent;
    std::map<std::string, std::size_t> arrived;
    std::set<std::uint64_t> open;  // ends of the unfinished
    std::set<std::string> blocked;
    std::uint64_t n = 0;
    for (int step = 0; step < 400 || !open.empty(); ++step) {
      const bool no_more = step >= 400;
      const std::string& name = names[roll(4)];
      if (!no_more && roll(3) == 0) {
        router.add(name, place_of(++n));
        sent[name].push_back(place_of(n).position);
        open.insert(place_of(n).end);
      } else if (!no_more && roll(8) == 0) {
        router.pass(place_of(++n));
      } else if (const auto turn = router.next(); turn && roll(3) != 0) {
        const std::string receiver(turn->receiver);
        REQUIRE(blocked.count(receiver) == 0);
        if (roll(4) == 0) {
          router.block(receiver);
          blocked.insert(receiver);
        } else {
          REQUIRE(sent[receiver][arrived[receiver]] == turn->position);
          open.erase(place_of(turn->position / 100).end);
          ++arrived[receiver];
          router.finish(receiver);
        }
      } else {
        router.unblock(name);
        blocked.erase(name);
      }
      REQUIRE(router.unfinished() == open.size());
      if (open.empty())
        REQUIRE(router.head() == (n == 0 ? 0 : place_of(n).end));
      else
        REQUIRE(router.head() < *open.begin());
    }
    for (const auto& [name, positions] : sent) CHECK(arrived[name] == positions.size());
  }
}
