#include <chrono>
#include <cstdio>

#include "bench.hpp"
#include "instance.hpp"
#include "require.hpp"

namespace peeper::bench {

void crash_to_next_answer(const Settings&) {
  using Clock = std::chrono::steady_clock;
  constexpr int kCrashes = 300;
  test::Instance peeperd{test::counter_config()};
  peeperd.start();
  test::Talk talk = peeperd.talk();
  std::vector<double> told;
  std::vector<double> answered;
  std::vector<double> plain;
  for (int i = 0; i < kCrashes; ++i) {
    const auto milliseconds_since = [](Clock::time_point begin) {
      return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    };
    auto begin = Clock::now();
    test::require(talk({"CALL", "counter", "inc"}).front() != '-', "inc failed");
    plain.push_back(milliseconds_since(begin));
    begin = Clock::now();
    talk.send({"CALL", "counter", "segv"});
    talk.send({"CALL", "counter", "state"});
    test::require(talk.receive().starts_with("-CRASHED"), "segv did not crash");
    told.push_back(milliseconds_since(begin));
    test::require(talk.receive() == std::to_string(i + 1), "state lost");
    answered.push_back(milliseconds_since(begin));
  }
  peeperd.stop();
  std::printf("\ncrash to next answer, ms (%d segfaults; counter; no standby)\n", kCrashes);
  std::printf("  %-44s %8s %8s\n", "", "p50", "p99");
  const auto row = [](const char* what, const std::vector<double>& times) {
    std::printf("  %-44s %8.3f %8.3f\n", what, quantile(times, 0.5), quantile(times, 0.99));
  };
  row("a call that doesn't crash", plain);
  row("call sent to caller told CRASHED", told);
  row("call sent to next answer", answered);
}

}  // namespace peeper::bench
