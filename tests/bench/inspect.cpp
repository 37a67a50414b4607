// What it costs a server to be looked at: one client that calls, one call after another, beside
// somebody who asks for its state, its status, the metrics, or follows its messages, 20 times a
// second; then beside one look alone, how long it stops the worker. By the size of the state.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
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

double ms_of(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// In a thread beside the one that measures, which is told of its failure.
class Beside {
 public:
  template <class Run>
  explicit Beside(Run run)
      : thread_([this, run] {
          try {
            run();
          } catch (...) {
            failure_ = std::current_exception();
          }
        }) {}
  ~Beside() {
    if (thread_.joinable()) thread_.join();
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  void end() {
    if (thread_.joinable()) thread_.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::exception_ptr failure_;
  std::thread thread_;
};

// Asks until it is told to stop. How long the answers took, in ms.
class Looker {
 public:
  Looker(const test::Instance& peeperd, Words words)
      : talk_(peeperd.talk()), words_(std::move(words)), thread_([this] { run(); }) {}
  ~Looker() { stops_ = true; }
  Looker(const Looker&) = delete;
  Looker& operator=(const Looker&) = delete;

  std::vector<double> end() {
    stops_ = true;
    thread_.end();
    return took_;
  }

 private:
  void run() {
    std::vector<std::string_view> words(words_.begin(), words_.end());
    while (!stops_) {
      const auto begin = Clock::now();
      const auto reply = talk_.client().command(words, kPatience);
      test::require(reply && !reply->is_error(), "who looks is answered " + test::text_of(reply));
      took_.push_back(ms_of(Clock::now() - begin));
      std::this_thread::sleep_for(kPause);
    }
  }

  test::Talk talk_;
  Words words_;
  std::vector<double> took_;
  std::atomic<bool> stops_ = false;
  Beside thread_;  // the last, so that it ends first
};

// Calls without a pause, until it is told to stop.
class Caller {
 public:
  struct Call {
    Clock::time_point begin;
    Clock::time_point end;
  };

  explicit Caller(const test::Instance& peeperd)
      : talk_(peeperd.talk()), thread_([this] { run(); }) {}
  ~Caller() { stops_ = true; }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // Until it has made so many more.
  void await(std::uint64_t more) const {
    const std::uint64_t wanted = count_ + more;
    while (count_ < wanted && !stops_) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  const std::vector<Call>& end() {
    stops_ = true;
    thread_.end();
    return calls_;
  }

 private:
  void run() {
    try {
      const std::string key = key_of(1);
      while (!stops_) {
        const auto begin = Clock::now();
        const auto reply = talk_.client().command({"CALL", "TIMEOUT", "60000", "kv", "STRLEN", key},
                                                  kPatience);
        test::require(reply && !reply->is_error(), "the calls fail: " + test::text_of(reply));
        calls_.push_back({begin, Clock::now()});
        ++count_;
      }
    } catch (...) {
      stops_ = true;  // nobody waits for more
      throw;
    }
  }

  test::Talk talk_;
  std::vector<Call> calls_;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<bool> stops_ = false;
  Beside thread_;  // the last, so that it ends first
};

// Many calls before and after it, so that one is always under way.
constexpr std::uint64_t kCallsAround = 200;

struct Look {
  double took = 0;     // ms
  double longest = 0;  // ms: of the calls under way meanwhile
  std::string answer;
};

// No words: nobody looks, for as long as a look may take.
Look look_once(const test::Instance& peeperd, const Words& words) {
  test::Talk talk = peeperd.talk();
  Caller caller{peeperd};
  caller.await(kCallsAround);
  Look look;
  const auto begin = Clock::now();
  if (words.empty()) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  } else {
    const std::vector<std::string_view> views(words.begin(), words.end());
    const auto reply = talk.client().command(views, kPatience);
    test::require(reply.has_value(), "who looks is not answered: " + test::text_of(reply));
    look.answer = reply->is_error() ? "-" + reply->text : "its value";
  }
  const auto end = Clock::now();
  caller.await(kCallsAround);
  for (const Caller::Call& call : caller.end())
    if (call.end >= begin && call.begin <= end)
      look.longest = std::max(look.longest, ms_of(call.end - call.begin));
  look.took = ms_of(end - begin);
  return look;
}

void stopped_by_one_look(const test::Instance& peeperd, int runs) {
  std::printf("\n  %-34s %9s %9s %9s %9s\n", "the longest call beside one look", "call p50",
              "call most", "look p50", "look most");
  const Words ways[] = {{},
                        {"SYS", "GET_STATE", "kv", "values." + key_of(1)},
                        {"SYS", "GET_STATE", "kv"}};
  const char* const names[] = {"10 ms without one", "SYS GET_STATE, one key of it",
                               "SYS GET_STATE, all of it"};
  for (std::size_t way = 0; way < std::size(ways); ++way) {
    std::vector<double> longest;
    std::vector<double> took;
    std::string answer;
    for (int run = 0; run < 4 * runs; ++run) {
      const Look look = look_once(peeperd, ways[way]);
      longest.push_back(look.longest);
      took.push_back(look.took);
      answer = look.answer;
    }
    std::printf("  %-34s %9.3f %9.3f %9.3f %9.3f  %.70s\n", names[way], quantile(longest, 0.5),
                quantile(longest, 1), quantile(took, 0.5), quantile(took, 1), answer.c_str());
    std::fflush(stdout);
  }
}

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
  std::printf("\ncalls of one client beside who looks %lld times a second; %lld s each\n"
              "and beside one look, %d times each; times in ms\n",
              1000LL / kPause.count(), static_cast<long long>(kTime.count()), 4 * settings.runs);
  for (const std::uint64_t keys : sizes(settings)) {
    test::Instance peeperd{kv_config(keys)};
    peeperd.start();
    const auto begin = Clock::now();
    load_keys(peeperd, keys);
    const auto status = peeperd.talk().reply({"SYS", "GET_STATUS", "kv"});
    test::require(status && status->field("heap_used") != nullptr, test::text_of(status));
    std::printf("\n  %llu keys, set in %.1f s: %.0f MiB of the heap are used\n",
                static_cast<unsigned long long>(keys), ms_of(Clock::now() - begin) / 1000,
                static_cast<double>(status->field("heap_used")->integer) / (1 << 20));
    std::fflush(stdout);
    std::printf("\n  %-34s %9s %8s %8s %8s %9s %9s\n",
                "looked at by", "calls/s", "p50", "p99",
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
    for (const auto& [channel, name] : {std::pair{"kv!trace", "a follower of its trace"},
                                        std::pair{"kv", "a follower of its state"}}) {
      test::Talk follower = peeperd.talk();
      follower.send({"SUBSCRIBE", channel});
      print(name, calls(peeperd), {});
    }
    stopped_by_one_look(peeperd, settings.runs);
    peeperd.stop();
  }
}

}  // namespace peeper::bench
