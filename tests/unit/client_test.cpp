#include "common/client/client.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <set>
#include <string>
#include <thread>

#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;
using resp::Reply;

namespace {

ClientOptions options_for(const FakeDaemon& daemon) {
  return {.socket = daemon.socket(), .timeout = 20s, .first_pause = 1ms, .longest_pause = 20ms};
}

Client connected(const FakeDaemon& daemon) {
  auto client = Client::connect(options_for(daemon));
  REQUIRE_MESSAGE(client.has_value(), client.error().what);
  return std::move(*client);
}

std::string token_of(const Words& words) { return Model::value_after("ID", words); }

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("a client speaks RESP3, and calls, casts and sends with a token each") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    {
      Client client = connected(daemon);
      CHECK(as<int>(client.call("counter", "inc")).value() == 1);
      CHECK(as<std::string>(client.cast("counter", "inc")).value() == "OK");
      CHECK(as<std::string>(client.send("counter", "inc")).value() == "OK");
    }
    const auto asked = model.asked();
    REQUIRE(asked.size() == 4);
    CHECK(joined(asked[0]) == "HELLO 3");
    std::set<std::string> tokens;
    const char* const verbs[] = {"CALL", "CAST", "SEND"};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string token = token_of(asked[i + 1]);
      CHECK(token.size() >= 24);
      CHECK(token.size() <= limits::kTokenBytes);
      tokens.insert(token);
      CHECK(asked[i + 1] == Words{verbs[i], "TIMEOUT", "20000", "ID", token, "counter", "inc"});
    }
    CHECK(tokens.size() == 3);
  }

  TEST_CASE("two clients never make the same token") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    const std::string first = connected(daemon).new_token();
    const std::string second = connected(daemon).new_token();
    CHECK(first.substr(0, first.find('.')) != second.substr(0, second.find('.')));
  }

  TEST_CASE("timeout, token and arguments of any kind go to the daemon as they are") {
    std::string asked;
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("+hello\r\n");
      asked = peer.next_command();
      peer.say("+OK\r\n");
    });
    {
      Client client = connected(daemon);
      const std::string text = "two words";
      REQUIRE(client
                  .run(Command::call("s", "m", text, "", -5, 2.5, std::size_t{7})
                           .timeout(750ms)
                           .token("mine"))
                  .has_value());
    }
    CHECK(asked == "CALL TIMEOUT 750 ID mine s m two words  -5 2.5 7");
  }

  TEST_CASE("the daemon's own timeout is not said, nor a token where none is wanted") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    {
      ClientOptions options{.socket = daemon.socket(), .tokens = Tokens::kNone};
      auto client = Client::connect(options);
      REQUIRE(client.has_value());
      CHECK(as<int>(client->call("counter", "inc")).value() == 1);
    }
    CHECK(joined(model.asked().back()) == "CALL counter inc");
  }

  TEST_CASE(
      "after a lost connection the same message goes out with the same token, for one effect") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      model.answer(peer.next_words());
      peer.say("%0\r\n");
      model.answer(peer.next_words());  // carried out; the reply is lost
    });
    {
      Client client = connected(daemon);
      CHECK(as<int>(client.call("counter", "inc")).value() == 1);
      CHECK(as<int>(client.call("counter", "inc")).value() == 2);
    }
    const auto messages = model.messages();
    REQUIRE(messages.size() == 3);
    CHECK(token_of(messages[0]) == token_of(messages[1]));
    CHECK(token_of(messages[1]) != token_of(messages[2]));
    CHECK(model.count() == 2);
  }

  TEST_CASE("a message without a token that was under way is not sent again, and that is told") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      peer.write_at_most(16);  // the answer to HELLO
      model.play(peer);
    });
    {
      ClientOptions options = options_for(daemon);
      options.tokens = Tokens::kNone;
      auto client = Client::connect(options);
      REQUIRE(client.has_value());
      const auto lost = client->call("counter", "inc");
      REQUIRE_FALSE(lost.has_value());
      CHECK(lost.error().system_error == ECONNRESET);
      CHECK(lost.error().what ==
            "connection lost: peeperd closed the connection; the command may or may not have been "
            "carried out; with a token it would have been sent again");
      CHECK(as<int>(client->call("counter", "inc")).value() == 2);
    }
    CHECK(model.messages().size() == 2);
  }

  TEST_CASE("a message that never left is sent over the next connection, even without a token") {
    Model model;
    std::promise<void> hung_up;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      for (int i = 0; i < 2; ++i) peer.say(model.answer(peer.next_words()));
      peer.hang_up();
      hung_up.set_value();
    });
    {
      ClientOptions options = options_for(daemon);
      options.tokens = Tokens::kNone;
      auto client = Client::connect(options);
      REQUIRE(client.has_value());
      CHECK(as<int>(client->call("counter", "inc")).value() == 1);
      hung_up.get_future().wait();
      CHECK(as<int>(client->call("counter", "inc")).value() == 2);
    }
    CHECK(model.messages().size() == 2);
  }

  TEST_CASE("a daemon that comes back only after a while is waited for") {
    Model model;
    FakeDaemon* itself = nullptr;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      itself->stop_listening();
      peer.hang_up();
      std::this_thread::sleep_for(100ms);  // the while itself
      itself->listen();
    });
    itself = &daemon;
    Client client = connected(daemon);
    CHECK(as<int>(client.call("counter", "inc")).value() == 1);
  }

  TEST_CASE("a daemon that does not come back in time is a failure that says what to try") {
    FakeDaemon* itself = nullptr;
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      itself->stop_listening();
    });
    itself = &daemon;
    ClientOptions options = options_for(daemon);
    options.grace = 20ms;
    auto client = Client::connect(options);
    REQUIRE(client.has_value());
    const auto began = std::chrono::steady_clock::now();
    const auto reply = client->run(Command::call("counter", "inc").timeout(100ms));
    const auto took = std::chrono::steady_clock::now() - began;
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().system_error == ENOENT);
    CHECK(reply.error().what == "peeperd did not come back within 120 ms: cannot connect to " +
                                    daemon.socket() +
                                    ": No such file or directory; is peeperd running?; the command "
                                    "may or may not have been carried out");
    CHECK(took >= 80ms);
    CHECK(took < 10s);
  }

  TEST_CASE("connecting tries once: a wrong path is told at once") {
    const auto client = Client::connect({.socket = "/nowhere/peeperd.sock", .timeout = 20s});
    REQUIRE_FALSE(client.has_value());
    CHECK(client.error().system_error == ENOENT);
  }

  TEST_CASE("answers that are errors are not tried again") {
    const std::string errors[] = {"TIMEOUT counter: no reply within 50 ms", "DOWN counter: stopped",
                                  "CRASHED counter: SIGSEGV at 0x0 in 'boom'",
                                  "BUSY counter: full"};
    int asked = 0;
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      for (const std::string& error : errors) {
        peer.next_command();
        ++asked;
        peer.say("-" + error + "\r\n");
      }
      peer.await_end();
    });
    {
      Client client = connected(daemon);
      for (const std::string& error : errors) {
        const auto reply = client.call("counter", "boom");
        REQUIRE(reply.has_value());
        CHECK(reply->is_error());
        CHECK(reply->text == error);
        CHECK(as<int>(reply).error().what == error);
      }
    }
    CHECK(asked == 4);
  }

  TEST_CASE("a reply that comes too late is not taken for the next one's") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.next_command();
      peer.say(":1\r\n:2\r\n");
      peer.await_end();
    });
    ClientOptions options = options_for(daemon);
    options.grace = 10ms;
    auto client = Client::connect(options);
    REQUIRE(client.has_value());
    const auto late = client->run(Command::call("counter", "inc").timeout(10ms));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().system_error == ETIMEDOUT);
    CHECK(late.error().what ==
          "no answer within 20 ms; the command may or may not have been carried out");
    CHECK(as<int>(client->call("counter", "inc")).value() == 2);
  }

  TEST_CASE("garbage is a failure of that command, the next one gets a new connection") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.say("HTTP/1.1 400 Bad Request\r\n");
      peer.await_end();
    });
    Client client = connected(daemon);
    CHECK(client.call("counter", "inc").error().system_error == EPROTO);
    CHECK(as<int>(client.call("counter", "inc")).value() == 1);
  }

  TEST_CASE("a daemon with too many clients is tried again, and named when it stays so") {
    Model model;
    int refusals = 0;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 5) return model.play(peer);
      peer.next_command();
      if (number == 1) peer.say("%0\r\n"), peer.next_command();
      if (number != 1) peer.say("-ERR max number of clients reached\r\n"), ++refusals;
    });
    const auto none = Client::connect(options_for(daemon));
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().what == "peeperd refuses the connection: ERR max number of clients reached");
    Client client = connected(daemon);
    CHECK(as<int>(client.call("counter", "inc")).value() == 1);
    CHECK(refusals == 5);
  }

  TEST_CASE("other commands are sent again only where that is safe") {
    int asked = 0;
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      if (peer.next_command() != "" && ++asked == 2) peer.say("+done\r\n"), peer.await_end();
    });
    {
      Client client = connected(daemon);
      CHECK(client.run(Command::words({"SYS", "GET_STATE", "c"}, Repeat::kSafe))->text == "done");
      CHECK(asked == 2);
    }
    {
      Client client = connected(daemon);
      const auto killed = client.run(Command::words({"SYS", "KILL", "c"}, Repeat::kNever));
      REQUIRE_FALSE(killed.has_value());
      CHECK(killed.error().system_error == ECONNRESET);
    }
    CHECK(asked == 3);
  }

  TEST_CASE(
      "a retry asks the server for less time, so that it answers before the client gives up") {
    std::vector<int> times;
    FakeDaemon daemon([&](Peer& peer, int number) {
      peer.next_command();
      peer.say("%0\r\n");
      times.push_back(std::stoi(Model::value_after("TIMEOUT", peer.next_words())));
      // So long that most of the time is over.
      if (number == 0) std::this_thread::sleep_for(600ms);
      if (number == 1) peer.say("+OK\r\n");
    });
    {
      auto client = Client::connect(options_for(daemon));
      REQUIRE(client.has_value());
      CHECK(client->run(Command::call("s", "m").timeout(1000ms)).has_value());
    }
    REQUIRE(times.size() == 2);
    CHECK(times[0] == 1000);
    CHECK(times[1] >= 1);
    CHECK(times[1] <= 700);
  }

  TEST_CASE("a client may be moved") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    Client first = connected(daemon);
    Client second = std::move(first);
    CHECK(as<int>(second.call("counter", "inc")).value() == 1);
  }
}
