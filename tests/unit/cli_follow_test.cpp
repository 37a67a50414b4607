// What goes on by itself, with a daemon by script: `peeper watch` and events that come late or of a
// segment made anew, and --no-retry.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli_parsed.hpp"
#include "common/resp/writer.hpp"
#include "daemon/cli/trace.hpp"
#include "daemon/cli/watch.hpp"
#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr std::string_view kHello = "%1\r\n+proto\r\n:3\r\n";

std::string event(std::string_view what, int sequence, int state) {
  std::string push;
  resp::append_push(push, 3);
  resp::append_bulk(push, "message");
  resp::append_bulk(push, "counter");
  return push + "%3\r\n+event\r\n+" + std::string(what) + "\r\n+sequence\r\n:" +
         std::to_string(sequence) + "\r\n+state\r\n:" + std::to_string(state) + "\r\n";
}

// Its own connection to who follows is the first; the others ask.
class Script {
 public:
  // HELLO, SUBSCRIBE, PING.
  void take_subscriber(Peer& peer) {
    peer.next_command();
    peer.say(kHello);
    peer.next_command();
    peer.next_command();
    peer.say("+PONG\r\n");
    subscriber_.emplace(std::move(peer));
  }
  // Until who asks has gone.
  static void answer(Peer& peer, int sequence, std::string_view state) {
    for (std::string asked; !(asked = peer.next_command()).empty();) {
      if (asked.starts_with("HELLO"))
        peer.say(kHello);
      else if (asked == "SYS GET_STATE counter")
        peer.say(state);
      else
        peer.say("%1\r\n+sequence\r\n:" + std::to_string(sequence) + "\r\n");
    }
  }
  void say(const std::string& event) { subscriber_->say(event); }
  void hang_up() { subscriber_.reset(); }
  // It is asked more than it should be.
  void end(FakeDaemon& daemon) {
    FAIL_CHECK("a connection too many");
    daemon.stop_listening();
    hang_up();
  }

 private:
  std::optional<Peer> subscriber_;
};

// Its first lines; then its reader is gone.
std::string watched(const FakeDaemon& daemon, int lines) {
  std::string all;
  const auto write = [&](std::string_view text) {
    all += text;
    return std::ranges::count(all, '\n') < lines ? 0 : EPIPE;
  };
  const cli::Options options = parsed({"--socket", daemon.socket(), "--json", "watch", "counter"});
  const cli::Output end = cli::run_watch(options, {}, write);
  CHECK(end.exit_code == cli::kDone);
  CHECK(end.err == "");
  return all;
}

std::string first(int sequence, int state) {
  return "{\"server\":\"counter\",\"sequence\":" + std::to_string(sequence) +
         ",\"state\":" + std::to_string(state) + "}\n";
}

std::string change(int sequence, int before, int after) {
  return "{\"server\":\"counter\",\"sequence\":" + std::to_string(sequence) +
         ",\"times\":1,\"changes\":[{\"path\":\"\",\"before\":" + std::to_string(before) +
         ",\"after\":" + std::to_string(after) + "}]}\n";
}

}  // namespace

TEST_CASE("watch shows no event that is older than the state it has shown") {
  Script script;
  FakeDaemon daemon([&](Peer& peer, int number) {
    switch (number) {
      case 0: return script.take_subscriber(peer);
      case 1:
        Script::answer(peer, 10, ":10\r\n");
        return script.say(event("observed", 7, 7));
      case 2:  // it makes sure
        Script::answer(peer, 10, ":10\r\n");
        return script.say(event("changed", 12, 12));
      default: return script.end(daemon);
    }
  });
  CHECK(watched(daemon, 2) == first(10, 10) + change(12, 10, 12));
}

TEST_CASE("watch goes on with a server whose segment was made anew, its numbers with it") {
  Script script;
  FakeDaemon daemon([&](Peer& peer, int number) {
    switch (number) {
      case 0: return script.take_subscriber(peer);
      case 1:
        Script::answer(peer, 10, ":10\r\n");
        return script.say(event("observed", 1, 0));
      case 2:
        Script::answer(peer, 1, ":0\r\n");
        return script.say(event("changed", 2, 5));
      default: return script.end(daemon);
    }
  });
  CHECK(watched(daemon, 3) == first(10, 10) + change(1, 10, 0) + change(2, 0, 5));
}

TEST_CASE("watch asks again where it could not see what an event was about") {
  Script script;
  FakeDaemon daemon([&](Peer& peer, int number) {
    switch (number) {
      case 0: return script.take_subscriber(peer);
      case 1:
        Script::answer(peer, 10, ":10\r\n");
        return script.say(event("changed", 1, 7));
      case 2: return;  // hangs up
      case 3: return Script::answer(peer, 1, "-TIMEOUT counter\r\n");
      case 4: return Script::answer(peer, 1, ":0\r\n");
      default: return script.end(daemon);
    }
  });
  CHECK(watched(daemon, 2) == first(10, 10) + change(1, 10, 0));
}

TEST_CASE("watch sees after a lost connection what has changed meanwhile, and nothing before it") {
  Script script;
  FakeDaemon daemon([&](Peer& peer, int number) {
    switch (number) {
      case 0: return script.take_subscriber(peer);
      case 1: Script::answer(peer, 10, ":10\r\n"); return script.hang_up();
      case 2: return script.take_subscriber(peer);
      case 3:
        Script::answer(peer, 15, ":15\r\n");
        return script.say(event("observed", 9, 9));
      case 4:
        Script::answer(peer, 15, ":15\r\n");
        return script.say(event("changed", 16, 16));
      default: return script.end(daemon);
    }
  });
  CHECK(watched(daemon, 3) == first(10, 10) + change(15, 10, 15) + change(16, 15, 16));
}

TEST_CASE("with --no-retry what follows a server ends with its connection, and connects no more") {
  for (const std::string command : {"watch", "trace"}) {
    CAPTURE(command);
    Script script;
    std::atomic<int> connections = 0;
    FakeDaemon daemon([&](Peer& peer, int number) {
      connections = number + 1;
      // trace looks first whether there is such a server, watch subscribes first.
      if (number > 1) return;
      if ((number == 0) == (command == "watch")) {
        script.take_subscriber(peer);
      } else {
        Script::answer(peer, 10, ":10\r\n");
      }
      if (number == 1) script.hang_up();
    });
    const cli::Options options = parsed(
        {"--socket", daemon.socket(), "--no-retry", "--timeout", "2000", command, "counter"});
    const auto write = [](std::string_view) { return 0; };
    const cli::Output end = command == "watch" ? cli::run_watch(options, {}, write)
                                               : cli::follow_trace(options, {}, write);
    CHECK(end.exit_code == cli::kNoConnection);
    CHECK(end.err == "peeper: peeperd closed the connection\n");
    CHECK(connections.load() == 2);
  }
}
