// A million keys, and a crash: kv's worker, with a standby, and a redis-server that has to read its
// append-only file again.
#include <signal.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "bench.hpp"
#include "instance.hpp"
#include "keys.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kKeys = 1'000'000;
constexpr std::chrono::minutes kLoading{5};

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

std::vector<double> crashes_of_kv() {
  constexpr int kCrashes = 20;
  test::Instance peeperd{kv_config(kKeys)};
  peeperd.start();
  load_keys(peeperd, kKeys);
  test::Talk talk = peeperd.talk();
  std::vector<double> answered;
  for (int i = 0; i < kCrashes; ++i) {
    peeperd.await([&] { return peeperd.fact("kv", "standby") != 0; });
    std::this_thread::sleep_for(std::chrono::milliseconds{30});  // it loads; no event tells
    const test::Watch worker{peeperd.worker("kv")};
    const auto begin = Clock::now();
    worker.kill(SIGSEGV);
    test::require(talk({"CALL", "kv", "STRLEN", key_of(static_cast<std::uint64_t>(i))}) == "32",
                  "the state is lost");
    answered.push_back(milliseconds_since(begin));
    test::require(worker.gone(), "the worker survives");
  }
  peeperd.stop();
  return answered;
}

class AppendingRedis {
 public:
  AppendingRedis() { start(); }

  void start() {
    std::filesystem::remove(socket());
    process_ = std::make_unique<test::Process>(
        test::Spawn{{"redis-server", "--port", "0", "--unixsocket", socket(), "--save", "",
                     "--appendonly", "yes", "--dir", directory_.directory().string()},
                    {},
                    directory_.directory(),
                    (directory_.directory() / "redis.log").string()});
    await("PING", "PONG");
  }
  // From SIGKILL until a key has its value again.
  double killed_and_started() {
    const auto begin = Clock::now();
    process_->signal(SIGKILL);
    test::require(process_->wait().has_value(), "redis-server survives SIGKILL");
    start();
    test::require(client().command({"STRLEN", key_of(0)}, test::kPatience)->integer == 32,
                  "Redis has lost a key");
    return milliseconds_since(begin);
  }
  void load() {
    constexpr std::uint64_t kAtOnce = 1000;
    Connection redis = client();
    for (std::uint64_t first = 0; first < kKeys; first += kAtOnce) {
      for (std::uint64_t i = first; i < first + kAtOnce; ++i)
        test::require(redis.send({"SET", key_of(i), value_of(i)}).has_value(), "SET");
      for (std::uint64_t i = 0; i < kAtOnce; ++i)
        test::require(redis.receive(test::kPatience).has_value(), "SET");
    }
  }
  // The file then begins with the keys as Redis's own dump has them, which is read faster.
  void rewrite() {
    (void)client().command({"BGREWRITEAOF"}, test::kPatience);
    const auto deadline = Clock::now() + kLoading;
    while (info().find("aof_rewrite_in_progress:0") == std::string::npos ||
           info().find("aof_rewrite_scheduled:0") == std::string::npos)
      pause_until(deadline);
  }

 private:
  [[nodiscard]] std::string socket() const {
    return (directory_.directory() / "redis.sock").string();
  }
  static void pause_until(Clock::time_point deadline) {
    test::require(Clock::now() < deadline, "redis-server is not ready");
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
  }
  Connection client() {
    auto client = Connection::connect(socket());
    test::require(client.has_value(), "no connection to redis-server");
    return *std::move(client);
  }
  std::string info() {
    return test::text_of(client().command({"INFO", "persistence"}, test::kPatience));
  }
  void await(std::string_view command, std::string_view answer) {
    const auto deadline = Clock::now() + kLoading;
    while (true) {
      auto client = Connection::connect(socket());
      if (client && test::text_of(client->command({command}, test::kPatience)) == answer) return;
      pause_until(deadline);
    }
  }

  test::Instance directory_{""};
  std::unique_ptr<test::Process> process_;
};

}  // namespace

void crash_or_restart(const Settings& settings) {
  std::printf("\ncrash with %llu keys, ms until the next answer\n",
              static_cast<unsigned long long>(kKeys));
  std::printf("  %-48s %10s %10s %8s\n", "", "median", "longest", "ratio");
  const std::vector<double> ours = crashes_of_kv();
  const double our_median = quantile(ours, 0.5);
  std::printf("  %-48s %10.2f %10.2f %8s\n", "kv: SIGSEGV, standby = 1", our_median,
              quantile(ours, 1), "1");
  AppendingRedis redis;
  redis.load();
  const auto row = [&](const char* what) {
    std::vector<double> theirs;
    for (int run = 0; run < settings.runs; ++run) theirs.push_back(redis.killed_and_started());
    std::printf("  %-48s %10.0f %10.0f %8.0f\n", what, quantile(theirs, 0.5), quantile(theirs, 1),
                quantile(theirs, 0.5) / our_median);
    std::fflush(stdout);
  };
  row("Redis: kill -9, start; AOF of all SETs");
  redis.rewrite();
  row("Redis: the same, AOF rewritten before");
  std::printf("  (goal: at least 1000)\n");
}

}  // namespace peeper::bench
