#include "common/client/pipeline.hpp"

#include <doctest/doctest.h>

#include <cerrno>

#include "common/client/subscription.hpp"
#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;

namespace {

ClientOptions options_for(const FakeDaemon& daemon) {
  return {.socket = daemon.socket(), .timeout = 20s, .first_pause = 1ms, .longest_pause = 20ms};
}

// A daemon's side of a subscription, confirmed.
bool accept_subscription(Peer& peer, std::vector<std::string>& asked) {
  asked.push_back(peer.next_command());
  peer.say("%0\r\n");
  asked.push_back(peer.next_command());
  asked.push_back(peer.next_command());
  return peer.say(">3\r\n$9\r\nsubscribe\r\n$11\r\nclock/ticks\r\n:1\r\n+PONG\r\n");
}

std::string tick(int value) {
  return ">3\r\n$7\r\nmessage\r\n$11\r\nclock/ticks\r\n:" + std::to_string(value) + "\r\n";
}

}  // namespace

TEST_SUITE("pipeline") {
  TEST_CASE("many commands are answered in order") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    auto client = Client::connect(options_for(daemon));
    REQUIRE(client.has_value());
    Pipeline pipeline(*client);
    for (int i = 0; i < 20'000; ++i) REQUIRE(pipeline.call("counter", "inc").has_value());
    REQUIRE(pipeline.cast("counter", "inc").has_value());
    const auto replies = pipeline.collect();
    REQUIRE(replies.size() == 20'001);
    int in_place = 0;
    for (int i = 0; i < 20'000; ++i) in_place += as<int>(replies[i]).value() == i + 1 ? 1 : 0;
    CHECK(in_place == 20'000);
    CHECK(as<std::string>(replies.back()).value() == "OK");
    CHECK(pipeline.unanswered() == 0);
    CHECK(as<int>(client->call("counter", "inc")).value() == 20'002);
  }

  TEST_CASE("the client is busy until all replies were taken") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    auto client = Client::connect(options_for(daemon));
    REQUIRE(client.has_value());
    {
      Pipeline pipeline(*client);
      REQUIRE(pipeline.call("counter", "inc").has_value());
      CHECK(client->call("counter", "inc").error().system_error == EBUSY);
      CHECK(as<int>(pipeline.next()).value() == 1);
      CHECK(as<int>(client->call("counter", "inc")).value() == 2);
      REQUIRE(pipeline.call("counter", "inc").has_value());
    }
    // One that goes early leaves a client that works.
    CHECK(as<std::string>(client->run(Command::words({"PING"}, Repeat::kSafe))).value() == "PONG");
  }

  TEST_CASE("only those that were not answered are sent again, in order, with their tokens") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      for (int i = 0; i < 3; ++i) peer.say(model.answer(peer.next_words()));
      for (int i = 0; i < 2; ++i) model.answer(peer.next_words());
    });
    {
      auto client = Client::connect(options_for(daemon));
      REQUIRE(client.has_value());
      Pipeline pipeline(*client);
      for (int i = 0; i < 6; ++i) REQUIRE(pipeline.call("counter", "inc").has_value());
      for (int i = 1; i <= 6; ++i) CHECK(as<int>(pipeline.next()).value() == i);
    }
    const auto messages = model.messages();
    REQUIRE(messages.size() == 8);
    CHECK(messages[4] == messages[2 + 2]);
    CHECK(Model::value_after("ID", messages[2]) != Model::value_after("ID", messages[3]));
    CHECK(Model::value_after("ID", messages[4]) == Model::value_after("ID", messages[2]));
    CHECK(Model::value_after("ID", messages[5]) == Model::value_after("ID", messages[3]));
    CHECK(model.count() == 6);
  }

  TEST_CASE("a reply that does not come in time fails in its place, those behind it still come") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.next_command();
      // The third comes once the first was given up.
      peer.next_command();
      peer.say(":1\r\n:2\r\n:3\r\n");
      peer.await_end();
    });
    ClientOptions options = options_for(daemon);
    options.grace = 10ms;
    auto client = Client::connect(options);
    REQUIRE(client.has_value());
    Pipeline pipeline(*client);
    REQUIRE(pipeline.add(Command::call("s", "slow").timeout(10ms)).has_value());
    REQUIRE(pipeline.call("s", "m").has_value());
    CHECK(pipeline.next().error().system_error == ETIMEDOUT);
    REQUIRE(pipeline.call("s", "m").has_value());
    CHECK(as<int>(pipeline.next()).value() == 2);
    CHECK(as<int>(pipeline.next()).value() == 3);
  }

  TEST_CASE("those without a token fail in their places, those that had not left go on") {
    FakeDaemon daemon([&](Peer& peer, int number) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      if (number > 0) peer.say(":7\r\n"), peer.await_end();
    });
    auto client = Client::connect(options_for(daemon));
    REQUIRE(client.has_value());
    Pipeline pipeline(*client);
    REQUIRE(pipeline.add(Command::words({"SYS", "KILL", "x"}, Repeat::kNever)).has_value());
    REQUIRE(pipeline.call("s", "m").has_value());
    CHECK(pipeline.next().error().system_error == ECONNRESET);
    CHECK(as<int>(pipeline.next()).value() == 7);
  }
}

TEST_SUITE("subscription") {
  TEST_CASE("what is published arrives, also what came before the subscription was confirmed") {
    std::vector<std::string> asked;
    FakeDaemon daemon([&](Peer& peer, int) {
      asked.push_back(peer.next_command());
      peer.say("%0\r\n");
      asked.push_back(peer.next_command());
      asked.push_back(peer.next_command());
      peer.say(">3\r\n$9\r\nsubscribe\r\n$11\r\nclock/ticks\r\n:1\r\n" + tick(1) + "+PONG\r\n");
      peer.say(tick(2) + ">1\r\n+other\r\n" + tick(3));
      peer.await_end();
    });
    auto ticks = Subscription::open({"clock/ticks", "clock/tocks"}, options_for(daemon));
    REQUIRE_MESSAGE(ticks.has_value(), ticks.error().what);
    for (int i = 1; i <= 3; ++i) {
      const auto got = ticks->next(20s);
      REQUIRE(got.has_value());
      CHECK(got->channel == "clock/ticks");
      CHECK(got->value.integer == i);
      CHECK_FALSE(got->missed);
    }
    CHECK(asked ==
          std::vector<std::string>{"HELLO 3", "SUBSCRIBE clock/ticks clock/tocks", "PING"});
    CHECK(ticks->next(10ms).error().system_error == ETIMEDOUT);
  }

  TEST_CASE("after a lost connection it subscribes again and says that something may be missing") {
    std::vector<std::string> asked;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number == 1 || number == 2) return;  // not yet
      accept_subscription(peer, asked);
      peer.say(tick(number));
      peer.say(tick(number + 1));
      if (number > 0) peer.await_end();
    });
    auto ticks = Subscription::open({"clock/ticks"}, options_for(daemon));
    REQUIRE(ticks.has_value());
    const bool missed[] = {false, false, true, false};
    const int values[] = {0, 1, 3, 4};
    for (int i = 0; i < 4; ++i) {
      const auto got = ticks->next(20s);
      REQUIRE_MESSAGE(got.has_value(), got.error().what);
      CHECK(got->value.integer == values[i]);
      CHECK(got->missed == missed[i]);
    }
    CHECK(ticks->losses() == 1);
    CHECK(asked.size() == 6);
  }

  TEST_CASE("a channel the daemon refuses is told") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.say("-NOSERVER there is no server 'clock'\r\n+PONG\r\n");
    });
    const auto refused = Subscription::open({"clock/ticks"}, options_for(daemon));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().system_error == EREMOTEIO);
    CHECK(refused.error().what == "cannot subscribe: NOSERVER there is no server 'clock'");
    CHECK(Subscription::open({}, options_for(daemon)).error().system_error == EINVAL);
  }
}
