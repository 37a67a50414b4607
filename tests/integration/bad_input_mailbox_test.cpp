// More than a server can take, later than a client would wait: every accepted message is executed
// once and in order, every reply goes where it belongs.
#include <doctest/doctest.h>
#include <signal.h>

#include <thread>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr std::string_view kSmallMailbox = "mailbox = \"64KiB\"";
constexpr std::string_view kRejects = "mailbox = \"64KiB\"\noverflow = \"reject\"";
// Some sixteen of these fill it.
const std::string kLarge(4000, 'x');

// A server's worker that stands still until told.
class Stopped {
 public:
  Stopped(Instance& peeperd, std::string_view server) : worker_(peeperd.worker(server)) {
    worker_.kill(SIGSTOP);
  }
  ~Stopped() { worker_.kill(SIGCONT); }
  void go_on() { worker_.kill(SIGCONT); }

 private:
  Watch worker_;
};

}  // namespace

TEST_CASE("a full mailbox that rejects says BUSY and executes what it accepted, in order") {
  Instance peeperd{counter_config("counter", kRejects) + counter_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Stopped worker{peeperd, "counter"};
  int accepted = 0;
  std::string answer;
  while ((answer = talk({"CAST", "counter", "inc", kLarge})) == "OK") REQUIRE(++accepted < 20);
  CHECK(answer == "-BUSY counter: its mailbox is full");
  CHECK(accepted >= 15);
  CHECK(talk({"SEND", "counter", "inc", kLarge}) == answer);
  CHECK(talk({"CALL", "counter", "inc", kLarge}) == answer);
  CHECK(talk({"CALL", "TIMEOUT", "1", "counter", "inc", kLarge}) == answer);
  CHECK(talk({"CALL", "other", "inc"}) == "1");
  worker.go_on();
  CHECK(talk({"CALL", "TIMEOUT", "30000", "counter", "state"}) == std::to_string(accepted));
  CHECK(talk({"CALL", "counter", "inc", kLarge}) == std::to_string(accepted + 1));
  peeperd.stop();
}

TEST_CASE("a full mailbox that blocks lets its clients wait, then all is executed in order") {
  Instance peeperd{counter_config("counter", kSmallMailbox) + counter_config("other")};
  peeperd.start();
  Stopped worker{peeperd, "counter"};
  constexpr int kCalls = 200;
  Talk talk = peeperd.talk();
  std::thread sender([&] {
    for (int i = 0; i < kCalls; ++i)
      talk.send({"CALL", "TIMEOUT", "30000", "counter", "inc", kLarge});
  });
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") >= 15; });
  Talk other = peeperd.talk();
  for (int i = 1; i <= 100; ++i) CHECK(other({"CALL", "other", "inc"}) == std::to_string(i));
  CHECK(peeperd.fact("counter", "mailbox") < 20);
  worker.go_on();
  sender.join();
  for (int i = 1; i <= kCalls; ++i) CHECK(talk.receive() == std::to_string(i));
  peeperd.stop();
}

TEST_CASE("texts cast through a full mailbox arrive once and in order") {
  Instance peeperd{
      "[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\nstate_size = \"4MiB\"\n"
      "mailbox = \"64KiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk control = peeperd.talk();
  constexpr int kCasts = 1000;
  std::string expected;
  {
    Stopped worker{peeperd, "hoard"};
    std::string bytes;
    for (int i = 0; i < kCasts; ++i) {
      const std::string word = std::to_string(i) + ",";
      expected += word;
      bytes += "CAST TIMEOUT 30000 hoard append " + word + " " + std::string(500, '-') + "\n";
    }
    talk.send_raw(bytes.substr(0, 100'000));
    peeperd.await([&] { return peeperd.fact("hoard", "mailbox") > 100; });
    worker.go_on();
    talk.send_raw(bytes.substr(100'000));
  }
  for (int i = 0; i < kCasts; ++i) REQUIRE(talk.receive() == "OK");
  CHECK(control({"CALL", "hoard", "text"}) == expected);
  peeperd.stop();
}

TEST_CASE("waiting for room in a mailbox ends with the command's timeout") {
  Instance peeperd{counter_config("counter", kSmallMailbox)};
  peeperd.start();
  Talk talk = peeperd.talk();
  Stopped worker{peeperd, "counter"};
  constexpr int kCasts = 18;
  int accepted = 0;
  int refused = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCasts; ++i)
    talk.send({"CAST", "TIMEOUT", "200", "counter", "inc", kLarge});
  talk.send({"CALL", "TIMEOUT", "200", "counter", "inc", kLarge});
  for (int i = 0; i <= kCasts; ++i) {
    const std::string answer = talk.receive();
    if (answer == "OK")
      ++accepted;
    else if (answer == "-TIMEOUT the mailbox stayed full; the message was not accepted")
      ++refused;
  }
  CHECK(accepted >= 15);
  CHECK(refused >= 2);
  CHECK(accepted + refused == kCasts + 1);
  CHECK(std::chrono::steady_clock::now() - begin >= 200ms * refused);
  worker.go_on();
  CHECK(talk({"CALL", "TIMEOUT", "30000", "counter", "state"}) == std::to_string(accepted));
  peeperd.stop();
}

TEST_CASE("clients that leave while they wait for room hold up nobody") {
  Instance peeperd{counter_config("counter", kSmallMailbox)};
  peeperd.start();
  Stopped worker{peeperd, "counter"};
  std::string casts;
  for (int i = 0; i < 17; ++i) casts += "CAST counter inc " + kLarge + "\n";
  RawClient first{peeperd.socket()};
  RawClient second{peeperd.socket()};
  REQUIRE(first.send(casts));
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") >= 15; });
  REQUIRE(second.send(casts));
  first.close();
  second.close();
  Talk talk = peeperd.talk();
  talk.send({"CALL", "TIMEOUT", "30000", "counter", "inc", kLarge});
  worker.go_on();
  const std::int64_t count = std::stoll(talk.receive());
  CHECK(count >= 16);
  CHECK(count <= 2 * 17 + 1);
  peeperd.stop();
}

TEST_CASE("a client that leaves with calls outstanding harms nobody, and they are executed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk other = peeperd.talk();
  {
    Stopped worker{peeperd, "counter"};
    RawClient client{peeperd.socket()};
    std::string calls;
    for (int i = 0; i < 1000; ++i) calls += "CALL counter inc\n";
    REQUIRE(client.send(calls));
    peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 1000; });
    client.close();
    CHECK(other({"PING"}) == "PONG");
  }
  CHECK(other({"CALL", "TIMEOUT", "30000", "counter", "state"}) == "1000");
  // Its connection is gone, ours is there.
  peeperd.await([&] {
    return other({"INFO"}).find("\r\nconnected_clients:1\r\n") != std::string::npos;
  });
  peeperd.stop();
}

TEST_CASE("pipelined commands for two servers are answered in their order") {
  Instance peeperd{counter_config("slow") + counter_config("quick")};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::string bytes;
  std::vector<std::string> expected;
  const auto say = [&](const std::string& command, const std::string& answer) {
    bytes += command + "\r\n";
    expected.push_back(answer);
  };
  for (int i = 1; i <= 1000; ++i) {
    say("CALL slow inc", std::to_string(i));
    say("CALL quick add 2", std::to_string(2 * i));
    say("PING " + std::to_string(i), std::to_string(i));
    if (i % 100 == 0) say("CAST slow add 0", "OK");
    if (i % 200 == 0) say("CALL nobody inc", "-NOSERVER there is no server 'nobody'; SUPERVISOR "
                                             "WHICH_CHILDREN lists those there are");
    if (i % 250 == 0) say("CALL slow segv", "-CRASHED slow: SIGSEGV at 0x0 in 'segv'");
  }
  Stopped worker{peeperd, "slow"};
  talk.send_raw(bytes);
  // The quick server is through with all of its calls before the slow one begins.
  Talk other = peeperd.talk();
  peeperd.await([&] { return other({"CALL", "quick", "state"}) == "2000"; });
  worker.go_on();
  for (const std::string& answer : expected) REQUIRE(talk.receive() == answer);
  peeperd.stop();
}

TEST_CASE("a call that takes too long is answered in time and still done, replies stay in place") {
  Instance peeperd{counter_config() + counter_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string timed_out =
      "-TIMEOUT counter: no reply in time; the message may still be handled";
  const auto begin = std::chrono::steady_clock::now();
  talk.send({"CALL", "TIMEOUT", "50", "counter", "inc_then_hang", "2000"});
  talk.send({"CALL", "TIMEOUT", "100", "counter", "inc"});  // ends while it waits in the mailbox
  talk.send({"CALL", "other", "inc"});
  talk.send({"CALL", "TIMEOUT", "30000", "counter", "inc"});
  CHECK(talk.receive() == timed_out);
  CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
  CHECK(talk.receive() == timed_out);
  CHECK(std::chrono::steady_clock::now() - begin >= 100ms);
  CHECK(talk.receive() == "1");
  // In time: the message that was too slow still runs.
  CHECK(peeperd.fact("counter", "in_message") == 1);
  CHECK(talk.receive() == "3");
  CHECK(talk({"CALL", "counter", "inc"}) == "4");
  peeperd.stop();
}

TEST_CASE("late calls that are to be skipped are not done, nor is what is behind them kept waiting") {
  Instance peeperd{counter_config("counter", "late_calls = \"skip\"\n")};
  peeperd.start();
  Stopped worker{peeperd, "counter"};
  Talk talk = peeperd.talk();
  for (int i = 0; i < 20; ++i) talk.send({"CALL", "TIMEOUT", "50", "counter", "inc"});
  talk.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
  talk.send({"CAST", "TIMEOUT", "50", "counter", "inc"});
  for (int i = 0; i < 20; ++i) CHECK(talk.receive().starts_with("-TIMEOUT counter: "));
  worker.go_on();
  CHECK(talk.receive() == "1");
  CHECK(talk.receive() == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "3");
  const auto status = talk.reply({"SYS", "GET_STATUS", "counter"});
  REQUIRE(status.has_value());
  CHECK(status->field("calls_skipped")->integer == 20);
  peeperd.stop();
}

TEST_CASE("late calls that are to be skipped: nor is one begun that would be late when it is done") {
  Instance peeperd{counter_config("counter", "late_calls = \"skip\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto skipped = [&] {
    const auto status = talk.reply({"SYS", "GET_STATUS", "counter"});
    return status ? status->field("calls_skipped")->integer : -1;
  };
  // What a call takes here.
  for (int i = 0; i < 3; ++i) CHECK(talk({"CALL", "counter", "hang", "300"}) == "OK");
  talk.send({"CALL", "TIMEOUT", "60000", "counter", "hang", "300"});
  // When that is done it has 150 ms left, or less on a slow machine.
  talk.send({"CALL", "TIMEOUT", "450", "counter", "inc"});
  talk.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
  CHECK(talk.receive() == "OK");
  CHECK(talk.receive().starts_with("-TIMEOUT counter: "));
  CHECK(talk.receive() == "1");
  CHECK(skipped() == 1);
  // One that the server has waited for is begun, however little time it has.
  CHECK(talk({"CALL", "TIMEOUT", "250", "counter", "hang", "300"}).starts_with("-TIMEOUT"));
  CHECK(talk({"CALL", "counter", "state"}) == "1");
  CHECK(skipped() == 1);
  peeperd.stop();
}

TEST_CASE("calls to be skipped when late, of clients whose peeperd was killed, are done all the same") {
  Instance peeperd{counter_config("counter", "late_calls = \"skip\"\n")};
  peeperd.start();
  {
    Stopped worker{peeperd, "counter"};
    Talk talk = peeperd.talk();
    for (int i = 0; i < 20; ++i) talk.send({"CALL", "TIMEOUT", "50", "counter", "inc"});
    peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 20; });
    for (int i = 0; i < 20; ++i) CHECK(talk.receive().starts_with("-TIMEOUT counter: "));
    peeperd.kill_all_three("counter");
  }
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "20");
  peeperd.stop();
}

TEST_CASE("calls with many different timeouts each get their own") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Stopped worker{peeperd, "counter"};
  using Clock = std::chrono::steady_clock;
  std::vector<std::thread> clients;
  std::vector<std::string> answers(20);
  std::vector<Clock::duration> times(20);
  for (int i = 0; i < 20; ++i)
    clients.emplace_back([&, i] {
      // The shortest are sent last as often as first.
      const int ms = 50 + 40 * ((i * 7) % 20);
      Talk talk = peeperd.talk();
      const auto begin = Clock::now();
      answers[i] = talk({"CALL", "TIMEOUT", std::to_string(ms), "counter", "inc"});
      times[i] = Clock::now() - begin - std::chrono::milliseconds{ms};
    });
  for (std::thread& client : clients) client.join();
  for (int i = 0; i < 20; ++i) {
    CHECK(answers[i].starts_with("-TIMEOUT counter: no reply in time"));
    CHECK(times[i] >= 0ms);
    CHECK(times[i] < 5s);
  }
  worker.go_on();
  CHECK(peeperd.talk()({"CALL", "TIMEOUT", "30000", "counter", "state"}) == "20");
  peeperd.stop();
}
