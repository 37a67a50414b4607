// The commands of subscriptions and tokens, as bytes: what a client of either protocol reads.
#include <doctest/doctest.h>

#include "common/limits.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/commands/message_command.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

struct TestSession : Session,
                     ReplySink,
                     Subscriber,
                     RoomWaiter,
                     std::enable_shared_from_this<TestSession> {
  void reply(std::string_view value) override { replies.add(value, protocol); }
  ReplyTarget reserve_reply() override { return {shared_from_this(), replies.reserve(protocol)}; }
  void cancel_reply() override { replies.cancel_last(); }
  bool reply_with_fd(std::string_view, int) override { return false; }
  std::weak_ptr<RoomWaiter> as_room_waiter() override { return weak_from_this(); }
  void push(std::string_view value) override { replies.push(value, protocol); }
  std::weak_ptr<Subscriber> as_subscriber() override { return weak_from_this(); }
  void deliver(std::uint64_t slot, std::string_view value) override { replies.fill(slot, value); }
  void room_available() override {}

  ReplyQueue replies;
};

struct Daemon {
  Subscriptions subscriptions;
  Servers servers{subscriptions};
  DaemonFacts facts;
  Commands commands{servers, subscriptions, facts};
  std::uint64_t last_id = 0;

  std::shared_ptr<TestSession> connect(Protocol protocol) {
    auto session = std::make_shared<TestSession>();
    session->id = ++last_id;
    session->protocol = protocol;
    return session;
  }
  std::string run(TestSession& session, std::vector<std::string_view> arguments) {
    commands.run(session, arguments, {});
    return std::exchange(session.replies.ready(), {});
  }
  // What has come since.
  static std::string got(TestSession& session) {
    return std::exchange(session.replies.ready(), {});
  }
};

// Any bytes will do.
constexpr std::string_view kToken{"t\0k", 3};

MessageCommand read(std::vector<std::string_view>& arguments) {
  return MessageCommand{arguments, "usage"};
}

}  // namespace

TEST_CASE("subscribe and unsubscribe answer once a channel with the number of channels") {
  Daemon daemon;
  const auto three = daemon.connect(Protocol::kResp3);
  CHECK(daemon.run(*three, {"SUBSCRIBE", "a", "b", "a"}) ==
        ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
        ">3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
  CHECK(daemon.run(*three, {"UNSUBSCRIBE", "x", "a"}) ==
        ">3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:2\r\n"
        ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n");
  CHECK(daemon.run(*three, {"UNSUBSCRIBE"}) == ">3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n");
  CHECK(daemon.run(*three, {"UNSUBSCRIBE"}) == ">3\r\n$11\r\nunsubscribe\r\n_\r\n:0\r\n");

  const auto two = daemon.connect(Protocol::kResp2);
  CHECK(daemon.run(*two, {"subscribe", "a"}) == "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
  CHECK(daemon.run(*two, {"unsubscribe"}) == "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
  CHECK(daemon.run(*two, {"unsubscribe"}) == "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n");
  CHECK(daemon.subscriptions.channels() == 0);
}

TEST_CASE("what a server publishes reaches who subscribes to SERVER/CHANNEL, in either protocol") {
  Daemon daemon;
  const auto three = daemon.connect(Protocol::kResp3);
  const auto two = daemon.connect(Protocol::kResp2);
  const auto other = daemon.connect(Protocol::kResp3);
  daemon.run(*three, {"SUBSCRIBE", "clock/ticks"});
  daemon.run(*two, {"SUBSCRIBE", "clock/ticks"});
  daemon.run(*other, {"SUBSCRIBE", "clock/other", "ticks", "clock"});
  daemon.servers.publish("clock", "ticks", "%1\r\n$1\r\nn\r\n#t\r\n");
  CHECK(Daemon::got(*three) ==
        ">3\r\n$7\r\nmessage\r\n$11\r\nclock/ticks\r\n%1\r\n$1\r\nn\r\n#t\r\n");
  CHECK(Daemon::got(*two) ==
        "*3\r\n$7\r\nmessage\r\n$11\r\nclock/ticks\r\n*2\r\n$1\r\nn\r\n:1\r\n");
  CHECK(Daemon::got(*other) == "");

  daemon.run(*three, {"UNSUBSCRIBE", "clock/ticks"});
  daemon.commands.leave(*two);
  daemon.servers.publish("clock", "ticks", ":1\r\n");
  CHECK(Daemon::got(*three) == "");
  CHECK(Daemon::got(*two) == "");
  CHECK(daemon.subscriptions.channels() == 3);
}

TEST_CASE("a push does not wait for a reply that is still to come") {
  Daemon daemon;
  const auto session = daemon.connect(Protocol::kResp3);
  const ReplyTarget first = session->reserve_reply();
  session->reply("+SECOND\r\n");
  CHECK(daemon.run(*session, {"SUBSCRIBE", "s/a"}) ==
        ">3\r\n$9\r\nsubscribe\r\n$3\r\ns/a\r\n:1\r\n");
  daemon.servers.publish("s", "a", ":1\r\n");
  CHECK(Daemon::got(*session) == ">3\r\n$7\r\nmessage\r\n$3\r\ns/a\r\n:1\r\n");
  first.sink->deliver(first.slot, "+FIRST\r\n");
  CHECK(Daemon::got(*session) == "+FIRST\r\n+SECOND\r\n");
}

TEST_CASE("in RESP2, where it could be taken for one, a push waits for replies asked for before") {
  Daemon daemon;
  const auto session = daemon.connect(Protocol::kResp2);
  const ReplyTarget first = session->reserve_reply();
  CHECK(daemon.run(*session, {"SUBSCRIBE", "s/a"}) == "");
  daemon.servers.publish("s", "a", ":1\r\n");
  daemon.servers.publish("s", "a", ":2\r\n");
  CHECK(session->replies.pending() == 2);
  const std::size_t held = session->replies.bytes();
  first.sink->deliver(first.slot, "+FIRST\r\n");
  const std::string all = Daemon::got(*session);
  CHECK(all ==
        "+FIRST\r\n*3\r\n$9\r\nsubscribe\r\n$3\r\ns/a\r\n:1\r\n"
        "*3\r\n$7\r\nmessage\r\n$3\r\ns/a\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$3\r\ns/a\r\n:2\r\n");
  CHECK(held + 8 == all.size());
  CHECK(session->replies.bytes() == 0);
}

TEST_CASE("a subscribed RESP2 connection may only do what Redis lets it do") {
  Daemon daemon;
  const auto session = daemon.connect(Protocol::kResp2);
  session->used = "counter";
  daemon.run(*session, {"SUBSCRIBE", "a"});
  const std::string refusal =
      ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
      "context\r\n";
  CHECK(daemon.run(*session, {"CALL", "a", "b"}) == "-ERR Can't execute 'call'" + refusal);
  CHECK(daemon.run(*session, {"Hello", "3"}) == "-ERR Can't execute 'hello'" + refusal);
  CHECK(daemon.run(*session, {"SUBSCRIBE"}).starts_with("-ERR wrong number of arguments"));
  // No call to the server in use either.
  CHECK(daemon.run(*session, {"inc"}).starts_with("-ERR unknown command 'inc'"));
  CHECK(daemon.run(*session, {"PING"}) == "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  CHECK(daemon.run(*session, {"PING", "x"}) == "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
  CHECK(daemon.run(*session, {"RESET"}) == "+RESET\r\n");
  CHECK(daemon.run(*session, {"PING"}) == "+PONG\r\n");
  CHECK(daemon.subscriptions.channels() == 0);

  const auto three = daemon.connect(Protocol::kResp3);
  daemon.run(*three, {"SUBSCRIBE", "a"});
  CHECK(daemon.run(*three, {"PING"}) == "+PONG\r\n");
  CHECK(daemon.run(*three, {"ECHO", "x"}) == "$1\r\nx\r\n");
}

TEST_CASE("a connection has a limited number of channels, with names of limited length") {
  Daemon daemon;
  const auto session = daemon.connect(Protocol::kResp3);
  const std::string longest(limits::kChannelBytes, 'x');
  const std::string longer = longest + "x";
  CHECK(daemon.run(*session, {"SUBSCRIBE", "a", longer}) ==
        "-BADARG a channel has at most 512 bytes\r\n");
  CHECK(daemon.run(*session, {"SUBSCRIBE", longest}).starts_with(">3"));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < limits::kSubscriptions; ++i) names.push_back(std::to_string(i));
  std::vector<std::string_view> arguments{"SUBSCRIBE"};
  arguments.insert(arguments.end(), names.begin(), names.end());
  CHECK(daemon.run(*session, arguments) ==
        "-BADARG a connection subscribes to at most 1000 channels\r\n");
  CHECK(session->channels == 1);
  arguments.pop_back();
  daemon.run(*session, arguments);
  CHECK(session->channels == limits::kSubscriptions);
  CHECK(daemon.run(*session, {"SUBSCRIBE", "b"}).starts_with("-BADARG"));
}

TEST_CASE("a subscriber that is gone without a word is not pushed to") {
  Daemon daemon;
  auto session = daemon.connect(Protocol::kResp3);
  daemon.run(*session, {"SUBSCRIBE", "s/a"});
  session.reset();
  daemon.servers.publish("s", "a", ":1\r\n");
  CHECK(daemon.subscriptions.channels() == 1);
}

TEST_CASE("INFO and COMMAND tell of channels") {
  Daemon daemon;
  const auto session = daemon.connect(Protocol::kResp3);
  daemon.run(*session, {"SUBSCRIBE", "a", "b"});
  CHECK(daemon.run(*session, {"INFO"}).find("\r\npubsub_channels:2\r\n") != std::string::npos);
  const std::string commands = daemon.run(*session, {"COMMAND"});
  for (const char* name : {"\r\nsubscribe\r\n:-2", "\r\nunsubscribe\r\n:-1", "\r\nreset\r\n:1"})
    CHECK(commands.find(name) != std::string::npos);
}

TEST_CASE("a token goes behind a message's strings, with its flag") {
  std::vector<std::string_view> plain{"CALL", "counter", "add", "1"};
  CHECK(read(plain).flags == 0);
  CHECK(read(plain).strings().size() == 2);
  CHECK(read(plain).timeout == limits::kCallTimeout);

  for (std::vector<std::string_view> arguments :
       {std::vector<std::string_view>{"CALL", "ID", kToken, "counter", "add", "1"},
        {"CALL", "id", kToken, "TIMEOUT", "7", "counter", "add", "1"},
        {"CALL", "timeout", "7", "Id", kToken, "counter", "add", "1"}}) {
    const MessageCommand command = read(arguments);
    CHECK(command.error == "");
    CHECK(command.server == "counter");
    CHECK(command.flags == segment::kHasToken);
    const auto strings = command.strings();
    REQUIRE(strings.size() == 3);
    CHECK(strings[0] == "add");
    CHECK(strings[1] == "1");
    CHECK(strings[2] == kToken);
    if (arguments.size() > 6) CHECK(command.timeout == 7ms);
  }
}

TEST_CASE("a token of no bytes or too many is refused") {
  const std::string longest(limits::kTokenBytes, 't');
  const std::string longer = longest + "t";
  std::vector<std::string_view> arguments{"CALL", "ID", longest, "counter", "add"};
  CHECK(read(arguments).error == "");
  CHECK(read(arguments).strings().back() == longest);
  arguments[2] = longer;
  CHECK(read(arguments).error == "-BADARG ID takes a token of 1 to 128 bytes, not of 129\r\n");
  arguments[2] = "";
  CHECK(read(arguments).error == "-BADARG ID takes a token of 1 to 128 bytes, not of 0\r\n");
  arguments = {"CALL", "ID", "t", "counter"};
  CHECK(read(arguments).error == "-BADARG usage: usage\r\n");
  arguments = {"CALL", "ID", "t"};
  CHECK(read(arguments).error == "-BADARG usage: usage\r\n");
  arguments = {"CALL", "TIMEOUT", "0", "ID", "", "counter", "add"};
  CHECK(read(arguments).error.starts_with("-BADARG TIMEOUT takes milliseconds"));
  arguments = {"CALL", "ID", "", "TIMEOUT", "5", "counter", "add"};
  CHECK(read(arguments).error.starts_with("-BADARG ID takes"));
}
