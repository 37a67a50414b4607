#include <signal.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "bench.hpp"
#include "instance.hpp"
#include "keys.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// Until a standby waits to take over. Nothing tells when it has loaded the behaviour; that takes some
// milliseconds.
void await_standby(test::Instance& peeperd, std::string_view server) {
  peeperd.await([&] { return peeperd.fact(server, "standby") != 0; });
  std::this_thread::sleep_for(std::chrono::milliseconds{30});
}

enum class Standby { kNone, kOne };

void crash_in_a_call(Standby standby) {
  const int kCrashes = standby == Standby::kNone ? 300 : 100;
  test::Instance peeperd{test::counter_config(
      "counter", standby == Standby::kNone ? "standby = 0" : "standby = 1")};
  peeperd.start();
  test::Talk talk = peeperd.talk();
  std::vector<double> told;
  std::vector<double> answered;
  std::vector<double> plain;
  for (int i = 0; i < kCrashes; ++i) {
    auto begin = Clock::now();
    test::require(talk({"CALL", "counter", "inc"}).front() != '-', "inc failed");
    plain.push_back(milliseconds_since(begin));
    if (standby == Standby::kOne) await_standby(peeperd, "counter");
    begin = Clock::now();
    talk.send({"CALL", "counter", "segv"});
    talk.send({"CALL", "counter", "state"});
    test::require(talk.receive().starts_with("-CRASHED"), "segv did not crash");
    told.push_back(milliseconds_since(begin));
    test::require(talk.receive() == std::to_string(i + 1), "state lost");
    answered.push_back(milliseconds_since(begin));
  }
  peeperd.stop();
  std::printf("\ncrash to next answer, ms (%d segfaults; counter; %s)\n", kCrashes,
              standby == Standby::kNone ? "no standby" : "a standby");
  std::printf("  %-44s %8s %8s\n", "", "p50", "p99");
  const auto row = [](const char* what, const std::vector<double>& times) {
    std::printf("  %-44s %8.3f %8.3f\n", what, quantile(times, 0.5), quantile(times, 0.99));
  };
  row("a call that doesn't crash", plain);
  row("call sent to caller told CRASHED", told);
  row("call sent to next answer", answered);
}

// What the worker had done since its start. Pages that it has seen are torn down with it.
enum class Before { kNothing, kReadAll };

void kill_by_size(std::uint64_t keys) {
  constexpr int kKills = 40;
  test::Instance peeperd{kv_config(keys)};
  peeperd.start();
  load_keys(peeperd, keys);
  test::Talk talk = peeperd.talk();
  for (const Before before : {Before::kNothing, Before::kReadAll}) {
    for (const int signal : {SIGSEGV, SIGKILL}) {
      std::vector<double> gone;
      std::vector<double> answered;
      for (int i = 0; i < kKills; ++i) {
        if (before == Before::kReadAll)
          test::require(talk({"CALL", "TIMEOUT", "60000", "kv", "KEYS", "none"}) == "[]", "KEYS");
        await_standby(peeperd, "kv");
        const test::Watch worker{peeperd.worker("kv")};
        const auto begin = Clock::now();
        worker.kill(signal);
        // By turns: the answer need not wait for the process to be gone.
        if (i % 2 == 0) {
          test::require(worker.gone(), "the worker survives");
          gone.push_back(milliseconds_since(begin));
        }
        test::require(talk({"CALL", "kv", "STRLEN", key_of(0)}) == "32", "the state is lost");
        if (i % 2 != 0) answered.push_back(milliseconds_since(begin));
        test::require(worker.gone(), "the worker survives");
      }
      std::printf("  %-10llu %-8s %-22s %8.2f %8.2f %8.2f %8.2f\n",
                  static_cast<unsigned long long>(keys), signal == SIGKILL ? "SIGKILL" : "SIGSEGV",
                  before == Before::kReadAll ? "had read all" : "had just started",
                  quantile(gone, 0.5), quantile(gone, 0.95), quantile(answered, 0.5),
                  quantile(answered, 0.95));
      std::fflush(stdout);
    }
  }
  peeperd.stop();
}

}  // namespace

void crash_to_next_answer(const Settings& settings) {
  crash_in_a_call(Standby::kNone);
  crash_in_a_call(Standby::kOne);
  std::printf("\nsignal to an idle worker of kv, ms until its process is gone, and until a\n"
              "call sent right behind it is answered (20 each; a standby)\n");
  std::printf("  %-10s %-8s %-22s %8s %8s %8s %8s\n", "keys", "", "the worker", "gone p50", "p95",
              "ans. p50", "p95");
  for (const std::uint64_t keys : sizes(settings)) kill_by_size(keys);
}

}  // namespace peeper::bench
