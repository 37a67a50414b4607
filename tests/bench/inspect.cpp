// What it costs a server to be looked at: one client that calls, one call after another, beside
// somebody who asks for its state, its status, the metrics, or follows its messages, 20 times a
// second. By the size of the state.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bench.hpp"
#include "instance.hpp"
#include "keys.hpp"
#include "lanes.hpp"

namespace peeper::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr std::chrono::seconds kTime{3};
constexpr std::chrono::milliseconds kPause{50};
constexpr std::chrono::milliseconds kPatience{30'000};

// Asks until it is told to stop. How long the answers took, in ms.
class Looker {
 public:
  Looker(const test::Instance& peeperd, Words words)
      : talk_(peeperd.talk()), words_(std::move(words)), thread_([this] { run(); }) {}
  ~Looker() { end(); }
  Looker(const Looker&) = delete;
  Looker& operator=(const Looker&) = delete;

  std::vector<double> end() {
    stops_ = true;
    if (thread_.joinable()) thread_.join();
    return took_;
  }

 private:
  void run() {
    std::vector<std::string_view> words(words_.begin(), words_.end());
    while (!stops_) {
      const auto begin = Clock::now();
      const auto reply = talk_.client().command(words, kPatience);
      test::require(reply && !reply->is_error(), "who looks is answered " + test::text_of(reply));
      took_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
      std::this_thread::sleep_for(kPause);
    }
  }

  test::Talk talk_;
  Words words_;
  std::vector<double> took_;
  std::atomic<bool> stops_ = false;
  std::thread thread_;
};

struct Way {
  const char* name;
  Words words;
};

load::Tally calls(const test::Instance& peeperd) {
  Lanes lanes;
  add_lane(lanes, peeperd.socket(), request_of(Command::call("kv", "STRLEN", key_of(1))));
  load::Crowd crowd = gather(std::move(lanes));
  load::Tally tally = load::carry(crowd, {.time = kTime, .patience = kPatience});
  test::require(!tally.failure && tally.errors == 0, "the calls fail");
  return tally;
}

void print(const char* what, const load::Tally& tally, const std::vector<double>& took) {
  const auto ms = [&](double share) {
    return static_cast<double>(tally.latencies.quantile(share)) / 1e6;
  };
  std::printf("  %-34s %9.0f %8.3f %8.3f %8.2f", what, tally.per_second(), ms(0.5), ms(0.99),
              static_cast<double>(tally.latencies.most()) / 1e6);
  if (!took.empty()) std::printf(" %9.2f %9.2f", quantile(took, 0.5), quantile(took, 0.99));
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

void inspect(const Settings& settings) {
  std::printf("\ncalls of one client beside who looks %lld times a second; %lld s each, times in ms\n",
              1000LL / kPause.count(), static_cast<long long>(kTime.count()));
  for (const std::uint64_t keys : sizes(settings)) {
    test::Instance peeperd{kv_config(keys)};
    peeperd.start();
    load_keys(peeperd, keys);
    std::printf("\n  %-34s %9s %8s %8s %8s %9s %9s\n",
                (std::to_string(keys) + " keys, looked at by").c_str(), "calls/s", "p50", "p99",
                "longest", "look p50", "look p99");
    const Way ways[] = {
        {"nobody", {}},
        {"SYS GET_STATE, one key of it", {"SYS", "GET_STATE", "kv", "values." + key_of(1)}},
        {"SYS GET_STATUS", {"SYS", "GET_STATUS", "kv"}},
        {"SYS METRICS", {"SYS", "METRICS"}},
    };
    for (const Way& way : ways) {
      if (way.words.empty()) {
        print(way.name, calls(peeperd), {});
        continue;
      }
      Looker looker{peeperd, way.words};
      const load::Tally tally = calls(peeperd);
      print(way.name, tally, looker.end());
    }
    test::Talk follower = peeperd.talk();
    follower.send({"SUBSCRIBE", "kv!trace"});
    print("a follower of its trace", calls(peeperd), {});
    peeperd.stop();
  }
}

}  // namespace peeper::bench
