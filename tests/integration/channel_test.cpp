// CHANNEL: memory that a client shares with a worker. Crashes, garbage, clients that die or don't
// read.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <random>
#include <thread>

#include "common/client/channel.hpp"
#include "common/client/convert.hpp"
#include "common/segment/futex.hpp"
#include "contract.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

using std::chrono::milliseconds;

ChannelOptions options_for(const Instance& peeperd, std::uint64_t ring_bytes = 64 * 1024) {
  ChannelOptions options;
  options.socket = peeperd.socket();
  options.timeout = milliseconds{20'000};
  options.ring_bytes = ring_bytes;
  return options;
}

Channel open_channel(const Instance& peeperd, std::string_view server = "counter") {
  auto channel = Channel::open(server, options_for(peeperd));
  REQUIRE_MESSAGE(channel.has_value(), (channel ? "" : channel.error().what));
  return *std::move(channel);
}

// A field of SYS GET_STATUS.
std::int64_t status(const Instance& peeperd, std::string_view name,
                    std::string_view server = "counter") {
  Talk talk = peeperd.talk();
  const auto reply = talk.reply({"SYS", "GET_STATUS", server});
  REQUIRE(reply.has_value());
  const resp::Reply* field = reply->field(name);
  REQUIRE(field != nullptr);
  return field->integer;
}

// The memory of a channel as a client that is not ours may treat it.
struct RawChannel {
  explicit RawChannel(const Instance& peeperd) : connection(connect(peeperd)) {
    const auto opened = connection.command({"CHANNEL", "counter", "16384"}, milliseconds{20'000});
    REQUIRE(opened.has_value());
    REQUIRE(text_of(opened)[0] == '[');
    auto mapped =
        segment::ClientMemory::map(connection.take_descriptor().get(), segment::kLeastClientRing);
    REQUIRE(mapped.has_value());
    memory = *std::move(mapped);
  }
  static Connection connect(const Instance& peeperd) {
    auto made = Connection::connect(peeperd.socket());
    REQUIRE(made.has_value());
    return *std::move(made);
  }
  void ring() {
    memory.header().worker_bell.fetch_add(1);
    segment::futex_wake(memory.header().worker_bell);
  }
  [[nodiscard]] bool is_at_fault() const {
    return memory.header().fault.load() != segment::ClientFault::kNone;
  }

  Connection connection;
  segment::ClientMemory memory;
};

}  // namespace

TEST_CASE("a channel carries calls, casts and infos, each answered once it is committed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(text_of(channel.call("inc")) == "1");
  CHECK(text_of(channel.call("add", 41)) == "42");
  CHECK(text_of(channel.cast("inc")) == "OK");
  CHECK(text_of(channel.send("add", 7)) == "OK");
  CHECK(text_of(channel.call("nonsense")).starts_with("-BADARG"));
  // The same server, by the socket.
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "50");
  CHECK(status(peeperd, "channels") == 1);
  peeperd.stop();
}

TEST_CASE("a channel's pipelined requests are answered in order, more than the rings hold") {
  Instance peeperd{counter_config()};
  peeperd.start();
  auto opened = Channel::open("counter", options_for(peeperd, segment::kLeastClientRing));
  REQUIRE(opened.has_value());
  Channel& channel = *opened;
  constexpr int kMany = 20'000;
  for (int i = 0; i < kMany; ++i) REQUIRE(channel.post(Channel::Kind::kCall, "inc").has_value());
  CHECK(channel.unanswered() == kMany);
  int wrong = 0;
  for (int i = 1; i <= kMany; ++i) {
    const auto number = as<int>(channel.next());
    if (!number || *number != i) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(channel.unanswered() == 0);
  peeperd.stop();
}

TEST_CASE("a request in a channel may have half of its ring, and a reply a quarter") {
  Instance peeperd{"[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nmailbox = \"1MiB\"\n"};
  peeperd.start();
  Channel channel = open_channel(peeperd, "kv");
  const std::string fits(32 * 1024 - 200, 'x');
  CHECK(text_of(channel.call("SET", "key", fits)) == "OK");
  const auto refused = channel.call("SET", "key", std::string(32 * 1024, 'x'));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().system_error == EMSGSIZE);
  CHECK(text_of(channel.call("GET", "key")).starts_with("-TOOBIG"));
  CHECK(peeperd.talk()({"CALL", "kv", "GET", "key"}) == fits);
  CHECK(text_of(channel.call("SET", "key", "small")) == "OK");
  CHECK(text_of(channel.call("GET", "key")) == "small");
  peeperd.stop();
}

TEST_CASE("a call over a channel that crashes its worker is told so, and the channel goes on") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(text_of(channel.call("inc")) == "1");
  for (int i = 0; i < 3; ++i) {
    REQUIRE(channel.post(Channel::Kind::kCall, "inc_then_segv").has_value());
    REQUIRE(channel.post(Channel::Kind::kCall, "inc").has_value());
    const std::string told = text_of(channel.next());
    CHECK(told.starts_with("-CRASHED counter: SIGSEGV at "));
    CHECK(told.ends_with("in 'inc_then_segv'"));
    CHECK(text_of(channel.next()) == std::to_string(i + 2));
  }
  CHECK(text_of(channel.call("inc_then_raise")).starts_with("-CRASHED counter: "));
  CHECK(text_of(channel.call("state")) == "4");
  // The message is a dead letter like any other, and may be tried again.
  CHECK(peeperd.peeper({"deadletters", "list", "counter"}).out.find("inc_then_segv") !=
        std::string::npos);
  const Ran crash = peeperd.peeper({"crashes", "counter", "show", "1"});
  CHECK(crash.out.find("channel") != std::string::npos);
  CHECK(crash.out.find("client pid " + std::to_string(::getpid())) != std::string::npos);
  peeperd.stop();
}

TEST_CASE("a callback that hangs on a channel's request is HUNG, and the channel goes on") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"200ms\"\n")};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(text_of(channel.call("hang", 60000)).find("HUNG") != std::string::npos);
  CHECK(text_of(channel.call("inc")) == "1");
  peeperd.stop();
}

// Whatever is killed but the daemon: each request is answered once, and counts if it is not told
// otherwise.
TEST_CASE("channels under kill -9 of workers and keepers: what is answered is what was done") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{counter_config()};
  peeperd.start();
  std::atomic<bool> stop{false};
  struct Done {
    std::atomic<std::int64_t> counted{0};
    std::atomic<std::int64_t> crashed{0};
    std::string surprise;
  };
  Done done[3];
  std::vector<std::thread> clients;
  for (int id = 0; id < 3; ++id)
    clients.emplace_back([&, id] {
      auto channel = Channel::open("counter", options_for(peeperd));
      if (!channel) {
        done[id].surprise = channel.error().what;
        return;
      }
      const int depth = id == 0 ? 1 : 50;
      while (!stop && done[id].surprise.empty()) {
        for (int i = 0; i < depth; ++i) (void)channel->post(Channel::Kind::kCall, "inc");
        while (channel->unanswered() != 0) {
          const auto reply = channel->next();
          const std::string text = text_of(reply);
          if (reply && !reply->is_error())
            ++done[id].counted;
          else if (text.starts_with("-CRASHED counter: SIGKILL in 'inc'"))
            ++done[id].crashed;
          else
            done[id].surprise = text;
        }
      }
    });
  const auto fine = [&] {
    return std::ranges::all_of(done, [](const Done& each) { return each.surprise.empty(); });
  };
  for (int round = 0; round < 40 && fine(); ++round) {
    std::int64_t until[3];
    for (int id = 0; id < 3; ++id) until[id] = done[id].counted + 1 + random() % 300;
    peeperd.await([&] {
      bool came = true;
      for (int id = 0; id < 3; ++id) came = came && done[id].counted >= until[id];
      return came || !fine();
    });
    switch (random() % 4) {
      case 0: peeperd.kill("counter", {false, true, false}); break;
      case 1: peeperd.kill("counter", {true, true, false}); break;
      default: peeperd.kill("counter", {true, false, false}); break;
    }
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  std::int64_t counted = 0;
  std::int64_t crashed = 0;
  for (const Done& each : done) {
    CHECK(each.surprise == "");
    counted += each.counted;
    crashed += each.crashed;
  }
  MESSAGE(counted << " calls, " << crashed << " told CRASHED");
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == std::to_string(counted));
  peeperd.stop();
}

TEST_CASE("a client that writes garbage into its channel harms nobody else") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{counter_config()};
  peeperd.start();
  const int worker = peeperd.worker("counter");
  Channel neighbour = open_channel(peeperd);
  std::int64_t count = 0;
  for (int round = 0; round < 60; ++round) {
    RawChannel raw{peeperd};
    std::byte* memory = reinterpret_cast<std::byte*>(&raw.memory.header());
    const std::size_t bytes = segment::client_file_bytes(segment::kLeastClientRing);
    for (int strike = 0; strike < 200; ++strike) {
      const std::size_t at = random() % 2 == 0 ? random() % 320 : random() % bytes;
      memory[at] = static_cast<std::byte>(random());
      if (strike % 20 != 0) continue;
      // Something to look at: a tail that may be right.
      raw.memory.header().request_tail.store(random() % 3 == 0 ? random() : 8 * (random() % 64));
      raw.ring();
    }
    // As a matter of fact garbage may be a request; none of it is 'inc'.
    CHECK(text_of(neighbour.call("inc")) == std::to_string(++count));
  }
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == std::to_string(count + 1));
  CHECK(peeperd.worker("counter") == worker);
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("a request that is none ends its channel, and says so") {
  Instance peeperd{counter_config()};
  peeperd.start();
  RawChannel raw{peeperd};
  raw.memory.header().request_tail.store(64);  // of nothing but zeros
  raw.ring();
  peeperd.await([&] { return raw.is_at_fault(); });
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("a client that reads no replies is asked for nothing more, and others are served") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Channel lazy = open_channel(peeperd);
  Channel busy = open_channel(peeperd);
  // Fewer than the ring of requests holds, and more than that of the replies.
  for (int i = 0; i < 900; ++i) REQUIRE(lazy.post(Channel::Kind::kCall, "inc").has_value());
  for (int i = 0; i < 500; ++i) REQUIRE(busy.call("inc").has_value());
  CHECK(peeperd.talk()({"CALL", "counter", "inc"})[0] != '-');
  while (lazy.unanswered() != 0) REQUIRE(lazy.next().has_value());
  CHECK(text_of(lazy.call("state")) == "1401");
  peeperd.stop();
}

TEST_CASE("a channel ends with its client, and its place is free again") {
  Instance peeperd{counter_config()};
  peeperd.start();
  for (int i = 0; i < 100; ++i) {
    Channel channel = open_channel(peeperd);
    REQUIRE(text_of(channel.call("inc")) == std::to_string(i + 1));
  }
  peeperd.await([&] { return status(peeperd, "channels") == 0; });
  std::vector<Channel> all;
  for (std::uint32_t i = 0; i < segment::kMostClients; ++i) all.push_back(open_channel(peeperd));
  const auto refused = Channel::open("counter", options_for(peeperd));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().system_error == EREMOTEIO);
  CHECK(refused.error().what.starts_with("BUSY counter: it has 32 channels"));
  for (Channel& channel : all) CHECK(text_of(channel.call("inc"))[0] != '-');
  all.clear();
  peeperd.await([&] { return Channel::open("counter", options_for(peeperd)).has_value(); });
  peeperd.stop();
}

TEST_CASE("a channel ends with its peeperd, with a token its request has one effect all the same") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  const Channel::Request request{Channel::Kind::kCall, "inc", {}, "mine"};
  CHECK(text_of(channel.run(request)) == "1");
  peeperd.kill_daemon();
  const auto lost = channel.call("inc");
  REQUIRE_FALSE(lost.has_value());
  CHECK(lost.error().system_error == ECONNRESET);
  peeperd.start();
  Channel other = open_channel(peeperd);
  CHECK(text_of(other.run(request)) == "1");
  CHECK(peeperd.talk()({"CALL", "ID", "mine", "counter", "inc"}) == "1");
  CHECK(text_of(other.call("state")) == "1");
  peeperd.stop();
}

TEST_CASE("a channel to a server that is down is answered DOWN, and serves again with it") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nmax_restarts = 0\n"
                   "retry_delay = \"never\"\n"};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(text_of(channel.call("segv")).starts_with("-CRASHED"));
  CHECK(text_of(channel.call("inc")).starts_with("-DOWN counter: "));
  const auto refused = Channel::open("counter", options_for(peeperd));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().what.starts_with("DOWN counter: "));
  CHECK(peeperd.peeper({"start", "counter"}).exit_code == 0);
  // What was answered DOWN is handled now.
  CHECK(text_of(channel.call("inc")) == "2");
  peeperd.stop();
}

TEST_CASE("a call left open is answered through its channel later, also by another worker") {
  Pair pair;
  Channel channel = open_channel(pair.peeperd, "a");
  REQUIRE(channel.post(Channel::Kind::kCall, "later").has_value());
  REQUIRE(channel.post(Channel::Kind::kCall, "inc").has_value());
  pair.peeperd.await([&] { return pair.call({"get"}) == "1"; });
  pair.kill_worker();
  CHECK(pair.call({"answer", "here"}) == "true");
  CHECK(text_of(channel.next()) == "here");
  CHECK(text_of(channel.next()) == "1");
  // Its caller is gone: nobody is answered, and that is known.
  REQUIRE(channel.post(Channel::Kind::kCall, "later").has_value());
  REQUIRE(channel.post(Channel::Kind::kCall, "inc").has_value());
  pair.peeperd.await([&] { return pair.call({"get"}) == "2"; });
  { const Channel gone = std::move(channel); }
  pair.peeperd.await([&] { return status(pair.peeperd, "channels", "a") == 0; });
  CHECK(pair.call({"answer", "nobody"}) == "false");
  pair.peeperd.stop();
}

TEST_CASE("a suspended server takes no request of a channel until it is resumed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(peeperd.talk()({"SYS", "SUSPEND", "counter"}) == "OK");
  REQUIRE(channel.post(Channel::Kind::kCall, "inc").has_value());
  CHECK(peeperd.talk()({"SYS", "GET_STATE", "counter"}).find("0") != std::string::npos);
  CHECK(status(peeperd, "sequence") <= 3);
  CHECK(peeperd.talk()({"SYS", "RESUME", "counter"}) == "OK");
  CHECK(text_of(channel.next()) == "1");
  peeperd.stop();
}

TEST_CASE("a request over a channel that takes too long is answered TIMEOUT, and its reply dropped") {
  Instance peeperd{counter_config()};
  peeperd.start();
  ChannelOptions options = options_for(peeperd);
  options.timeout = milliseconds{50};
  auto opened = Channel::open("counter", options);
  REQUIRE(opened.has_value());
  const Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);
  CHECK(text_of(opened->call("inc")).starts_with("-TIMEOUT counter: "));
  worker.kill(SIGCONT);
  peeperd.await([&] { return peeperd.talk()({"CALL", "counter", "state"}) == "1"; });
  CHECK(text_of(opened->call("inc")) == "2");
  peeperd.stop();
}

TEST_CASE("CHANNEL is refused where it can't be, with the remedy") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CHANNEL", "nobody"}).starts_with("-NOSERVER"));
  CHECK(talk({"CHANNEL", "counter", "12"}).starts_with("-BADARG CHANNEL: '12' is no size"));
  CHECK(talk({"CHANNEL", "counter", "1", "2"}).starts_with("-BADARG usage"));
  talk.send({"CALL", "counter", "inc"});
  talk.send({"CHANNEL", "counter"});
  CHECK(talk.receive() == "1");
  const std::string behind = talk.receive();
  if (behind[0] == '-') CHECK(behind.starts_with("-ERR CHANNEL comes with a descriptor"));
  Talk other = peeperd.talk();
  CHECK(other({"CHANNEL", "counter"})[0] == '[');
  CHECK(other({"CHANNEL", "counter"}).starts_with("-ERR this connection has a channel"));
  CHECK(other({"RESET"}) == "RESET");
  CHECK(other({"CHANNEL", "counter", "16385"}).find("32768") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("a channel goes on with new code, and a standby") {
  Instance peeperd{counter_config("counter", "standby = 1\n")};
  peeperd.start();
  Channel channel = open_channel(peeperd);
  CHECK(text_of(channel.call("inc")) == "1");
  peeperd.await([&] { return peeperd.fact("counter", "standby") != 0; });
  const auto standby = peeperd.fact("counter", "standby");
  CHECK(text_of(channel.call("segv")).starts_with("-CRASHED"));
  CHECK(text_of(channel.call("inc")) == "2");
  CHECK(peeperd.worker("counter") == standby);
  CHECK(peeperd.talk()({"SYS", "CHANGE_CODE", "counter", "counter"}) == "OK");
  CHECK(text_of(channel.call("inc")) == "3");
  peeperd.stop();
}
