// What a callback may do: timers, messages to others, subscribers, dictionary, late replies; and
// tokens. Each plainly and with a kill at either edge of its commit.
#include "common/client/subscription.hpp"
#include "contract_rows.hpp"

using namespace peeper::test;

namespace {

constexpr const char* kNobody =
    "answer error NOSERVER there is no server 'nobody'; SUPERVISOR WHICH_CHILDREN lists those "
    "there are";
constexpr const char* kTooLate =
    "answer error TIMEOUT b: no answer in time; the message may still be handled";

std::string long_timer(Pair& pair) { return pair.call({"after", "60000", "never"}); }
std::string entry(Pair& pair) { return pair.call({"put", "colour", "blue"}); }

// A cancel that was undone has left the timer to be cancelled.
void is_cancelled(Played& played) {
  const std::string left = played.pair.call({"cancel", played.context});
  CHECK((left == "(nil)") == played.happened());
}

void has_colour(Played& played) {
  CHECK(played.pair.call({"fetch", "colour"}) == (played.happened() ? "red" : "blue"));
  CHECK(played.pair.call({"drop", "colour"}) == "true");
}

void has_no_colour(Played& played) {
  CHECK(played.pair.call({"fetch", "colour"}) == (played.happened() ? "(nil)" : "blue"));
  CHECK(played.pair.call({"drop", "colour"}) == (played.happened() ? "false" : "true"));
}

// The same message again, as after a lost answer: once in all.
void retries_count_once(Played& played) {
  CHECK(played.pair.call({"get"}) == (played.happened() ? "1" : "0"));
  Talk again = played.pair.peeperd.talk();
  for (int i = 0; i < 2; ++i)
    CHECK(again({"CALL", "ID", played.context, "a", "inc"}) == "1");
  CHECK(played.pair.call({"get"}) == "1");
}
std::string fresh_token(Pair&) {
  static int count = 0;
  return "token" + std::to_string(++count);
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"cancel", "CALL a cancel %1", "*", is_cancelled, 1, long_timer},
      {"a cast to another server", "CALL a tell b note 1", "OK",
       logs("b", "cast note 1", Fence::kMessages)},
      {"an info to another server", "CALL a inform b note", "OK",
       logs("b", "info note", Fence::kMessages)},
      {"a call to another server", "CALL a ask b inc", "OK", logs("a", "answer 1")},
      // Its time is long: if the answer's message is dropped, that is what ends it, some rows later.
      {"its answer", "CALL a ask_within 60000 b inc", "OK",
       both(logs("a", "answer 1"),
            [](Played& played) { CHECK(played.pair.call({"get"}, "b") == "1"); }), 2},
      {"a call to a server that is not there", "CALL a ask nobody inc", "OK", logs("a", kNobody)},
      {"a call that times out", "CALL a ask_within 20 b later", "OK", logs("a", kTooLate)},
      {"the end of its time", "CALL a ask_within 20 b later", "OK", logs("a", kTooLate), 2},
      {"a cast to oneself", "CALL a tell a note 1", "OK", logs("a", "cast note 1")},
      {"that cast itself", "CALL a tell a note 1", "OK", logs("a", "cast note 1"), 2},
      {"an info to oneself", "CALL a inform a note", "OK", logs("a", "info note")},
      {"a call to oneself", "CALL a ask a inc", "OK", both(logs("a", "answer 1"), counts)},
      {"put", "CALL a put colour red", "OK", has_colour, 1, entry},
      {"drop", "CALL a drop colour", "true", has_no_colour, 1, entry},
      {"a token", "CALL ID %1 a inc", "1", retries_count_once, 1, fresh_token},
      {"send_after", "CALL a after 20 ping 1", "*", logs("a", "info ping 1")},
      {"the timer itself", "CALL a after 20 ping 1", "*", logs("a", "info ping 1"), 2},
      {"a timer that is due at once", "CALL a after 0 ping 1", "*", logs("a", "info ping 1")},
  };
  return all;
}

// The call that is answered, and who answers it, are both told once or not at all.
void answer_late(Way way) {
  Pair pair;
  Talk waiting = pair.peeperd.talk();
  const auto ask = [&](Pair&) {
    waiting.send({"CALL", "TIMEOUT", "60000", "a", "later"});
    CHECK(pair.call({"get"}) == "0");
    return std::string();
  };
  const auto answered = [&](Played& played) {
    if (!played.happened()) CHECK(pair.call({"answer", "done"})[0] != '-');
    CHECK(waiting.receive() == "done");
    CHECK(pair.call({"answer", "twice"}) == "-NOBODY waits");
  };
  play_on(pair, {"reply", "CALL a answer done", "*", answered, 1, ask}, way);
  pair.peeperd.stop();
}

// Two subscribers get it once or not at all, before what comes after.
void publish(Way way) {
  Pair pair;
  const auto open = [&] {
    auto opened =
        peeper::Subscription::open({"a/news"}, {.socket = pair.peeperd.socket()});
    REQUIRE(opened.has_value());
    return *std::move(opened);
  };
  peeper::Subscription listeners[] = {open(), open()};
  const auto heard = [&](Played& played) {
    CHECK(pair.call({"publish", "news", "last"}) == "OK");
    for (peeper::Subscription& listener : listeners) {
      const std::vector<std::string> expected =
          played.happened() ? std::vector<std::string>{"first", "last"}
                            : std::vector<std::string>{"last"};
      for (const std::string& text : expected) {
        const auto got = listener.next(kPatience);
        REQUIRE(got.has_value());
        CHECK(got->channel == "a/news");
        CHECK(got->value.text == text);
        CHECK(!got->missed);
      }
    }
  };
  play_on(pair, {"publish", "CALL a publish news first", "OK", heard}, way);
  pair.peeperd.stop();
}

}  // namespace

TEST_CASE("contract: what a callback asks for happens once") { play(rows(), Way::kPlainly); }

TEST_CASE("contract: what a callback asks for never happens if its worker dies before its commit") {
  play(rows(), Way::kKilledBefore);
}

TEST_CASE("contract: what a callback asks for happens once if its worker dies after its commit") {
  play(rows(), Way::kKilledAfter);
}

TEST_CASE("contract: a late reply and its worker's death before and after its commit") {
  for (const Way way : kWays) answer_late(way);
}

TEST_CASE("contract: a publication and its worker's death before and after its commit") {
  for (const Way way : kWays) publish(way);
}
