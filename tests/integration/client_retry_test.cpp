// The client library over kill -9 of everything: each message has one effect, and its caller is
// told.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <random>
#include <thread>

#include "common/client/async_client.hpp"
#include "common/client/client.hpp"
#include "common/client/pipeline.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

ClientOptions options_for(const Instance& peeperd) {
  return {.socket = peeperd.socket(), .timeout = kPatience};
}

// What one client saw.
struct Seen {
  std::atomic<std::int64_t> counted{0};  // answers
  std::int64_t highest = 0;
  std::string surprise;  // an answer that should not be, or out of order
  std::atomic<bool> is_surprised{false};  // after it was written: others may read it now
};

void surprise(Seen& seen, const std::string& what) {
  if (seen.is_surprised) return;  // the first one says why
  seen.surprise = what;
  seen.is_surprised = true;
}

void take(Seen& seen, const Result<resp::Reply>& reply) {
  const Result<std::int64_t> count = as<std::int64_t>(reply);
  if (!count) {
    surprise(seen, count.error().what);
  } else if (*count <= seen.highest) {
    surprise(seen, std::to_string(*count) + " after " + std::to_string(seen.highest));
  } else {
    seen.highest = *count;
    ++seen.counted;
  }
}

void call_one_by_one(const Instance& peeperd, const std::atomic<bool>& stop, Seen& seen) {
  auto client = Client::connect(options_for(peeperd));
  if (!client) return surprise(seen, client.error().what);
  while (!stop && !seen.is_surprised) take(seen, client->call("counter", "inc"));
}

void call_in_pipelines(const Instance& peeperd, const std::atomic<bool>& stop, Seen& seen) {
  auto client = Client::connect(options_for(peeperd));
  if (!client) return surprise(seen, client.error().what);
  while (!stop && !seen.is_surprised) {
    Pipeline pipeline(*client);
    for (int i = 0; i < 32; ++i) (void)pipeline.call("counter", "inc");
    while (pipeline.unanswered() > 0) take(seen, pipeline.next());
  }
}

void call_asynchronously(const Instance& peeperd, const std::atomic<bool>& stop, Seen& seen) {
  boost::asio::io_context io;
  AsyncClient client(io, options_for(peeperd));
  const std::function<void()> call = [&] {
    client.async_call("counter", "inc", [&](const Result<resp::Reply>& reply) {
      take(seen, reply);
      if (!stop && !seen.is_surprised) call();
    });
  };
  for (int i = 0; i < 16; ++i) call();
  io.run();
}

struct Threads {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  void end() {
    stop = true;
    for (std::thread& thread : threads)
      if (thread.joinable()) thread.join();
  }
  ~Threads() { end(); }
};

// All three as near to each other as three system calls are.
void kill_all(Instance& peeperd) {
  const Watch worker{peeperd.worker("counter")};
  const Watch keeper{peeperd.keeper("counter")};
  worker.kill(SIGKILL);
  keeper.kill(SIGKILL);
  peeperd.kill_daemon();
  CHECK(worker.gone());
  CHECK(keeper.gone());
}

}  // namespace

TEST_CASE("clients that call while everything is killed and started again count exactly") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  // A call that ran when its worker was killed is not answered -CRASHED then. And no token is
  // forgotten: a client that connects again later than the others finds that they have made some
  // thousand calls meanwhile.
  Instance peeperd{
      "[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nmax_restarts = 1000000\n"
      "on_crash = \"retry\"\nretries = 100\nstate_size = \"1GiB\"\ndedupe_window = 1000000\n"};
  peeperd.start();
  std::array<Seen, 4> seen;
  Threads clients;
  clients.threads.emplace_back([&] { call_one_by_one(peeperd, clients.stop, seen[0]); });
  clients.threads.emplace_back([&] { call_one_by_one(peeperd, clients.stop, seen[1]); });
  clients.threads.emplace_back([&] { call_in_pipelines(peeperd, clients.stop, seen[2]); });
  clients.threads.emplace_back([&] { call_asynchronously(peeperd, clients.stop, seen[3]); });
  for (int round = 0; round < 10; ++round) {
    // Each client has come through the round before, and some more.
    std::array<std::int64_t, 4> until;
    for (std::size_t i = 0; i < 4; ++i) until[i] = seen[i].counted + 1 + random() % 50;
    peeperd.await([&] {
      bool done = true;
      for (std::size_t i = 0; i < 4; ++i) {
        if (seen[i].is_surprised) FAIL(seen[i].surprise);
        done = done && seen[i].counted >= until[i];
      }
      return done;
    });
    kill_all(peeperd);
    peeperd.start();
  }
  clients.end();
  std::int64_t answers = 0;
  for (const Seen& each : seen) {
    CHECK(each.surprise == "");
    answers += each.counted;
  }
  MESSAGE(answers << " calls");
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == std::to_string(answers));
  peeperd.stop();
}

TEST_CASE("peeper call waits for a peeperd that was killed and started again, for one effect") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);  // so that the call is under way when everything is killed
  Process call({{program("peeper"), "-s", peeperd.socket(), "--timeout", "30000", "call",
                 "--timeout", "20000", "counter", "inc"},
                {},
                peeperd.directory(),
                (peeperd.directory() / "call").string()});
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 1; });
  kill_all(peeperd);
  peeperd.start();
  CHECK(call.wait() == std::optional<int>(0));
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "1");
  peeperd.stop();
}

TEST_CASE("peeper --no-retry says that the connection was lost, and exits with 3") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);
  Process call({{program("peeper"), "-s", peeperd.socket(), "--no-retry", "call", "counter", "inc"},
                {},
                peeperd.directory(),
                (peeperd.directory() / "call").string()});
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 1; });
  kill_all(peeperd);
  const auto status = call.wait();
  REQUIRE(status.has_value());
  CHECK(WEXITSTATUS(*status) == 3);
}

TEST_CASE("the same message with the same token is handled once, whoever sends it") {
  Instance peeperd{counter_config()};
  peeperd.start();
  for (int i = 0; i < 2; ++i) {
    const Ran ran = peeperd.peeper({"call", "--id", "mine", "counter", "inc"});
    CHECK(ran.out == "1\n");
    auto client = Client::connect(options_for(peeperd));
    REQUIRE(client.has_value());
    CHECK(as<int>(client->run(Command::call("counter", "inc").token("mine"))).value() == 1);
    kill_all(peeperd);
    peeperd.start();
  }
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "1");
  peeperd.stop();
}
