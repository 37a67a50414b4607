// One random key of a map gets another value: what a message costs, by the size of the state.
#include <chrono>
#include <cstdio>
#include <new>
#include <random>
#include <string>
#include <string_view>

#include "bare_worker.hpp"
#include "bench.hpp"
#include "keys.hpp"
#include "worker/examples/kv_store.hpp"

namespace peeper::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWarmUp = 20'000;
constexpr int kMeasured = 20'000;

struct Figures {
  double p50;  // µs
  double p99;
  double mean;
  double faults = 0;  // a message
  double copies = 0;
};

// Reads a byte of every page, so that no mode pays for the kernel's first look at one.
void read_all(std::span<const std::byte> memory) {
  for (std::size_t at = 0; at < memory.size(); at += segment::kPageBytes)
    (void)*static_cast<const volatile std::byte*>(memory.data() + at);
}

class Bench {
 public:
  explicit Bench(std::uint64_t keys)
      : keys_(keys), worker_(std::max<std::uint64_t>(keys * 256, 1 << 20)), random_(keys) {
    worker_.transact([&] {
      void* memory = worker_.heap().allocate(sizeof(kv::Store), alignof(kv::Store));
      worker_.heap().set_state(new (memory) kv::Store());
      store().values.reserve(keys);
      for (std::uint64_t i = 0; i < keys; ++i) kv::assign(kv::at(store(), key_of(i), 0), value_of(i));
    });
    used_ = worker_.heap().high_water();
    state_ = worker_.heap().state();
    state_offset_ = static_cast<std::byte*>(state_) - worker_.segment().heap().data();
  }

  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] std::uint32_t break_even() const { return worker_.break_even(); }

  // The work alone: no transaction, every page writable.
  Figures bare() {
    map_unguarded();
    return measure([](auto work) { work(); });
  }
  Figures copy() {
    map_unguarded();
    const std::uint64_t pages = (used_ + segment::kPageBytes - 1) / segment::kPageBytes;
    return measure([&](auto work) { worker_.transact_by_copy(pages, work); });
  }
  Figures guarded(std::uint32_t break_even) {
    worker_.map(break_even);
    find_state();
    const auto before = [&] { return worker_.guard().counts(); };
    worker::PageGuard::Counts at_start;
    const Figures figures = measure([&](auto work) { worker_.transact(work); },
                                    [&] { at_start = before(); });
    Figures with_counts = figures;
    const auto now = before();
    with_counts.faults = static_cast<double>(now.faults - at_start.faults) / kMeasured;
    with_counts.copies = static_cast<double>(now.copied - at_start.copied) / kMeasured;
    return with_counts;
  }

 private:
  [[nodiscard]] kv::Store& store() {
    return *static_cast<kv::Store*>(state_ != nullptr ? state_ : worker_.heap().state());
  }
  void map_unguarded() {
    worker_.map_unguarded();
    find_state();
  }
  void find_state() {
    state_ = worker_.segment().heap().data() + state_offset_;
    read_all(worker_.segment().heap().first(used_));
  }

  template <class Transact>
  Figures measure(Transact transact) {
    return measure(transact, [] {});
  }
  template <class Transact, class WhenWarm>
  Figures measure(Transact transact, WhenWarm when_warm) {
    std::vector<double> times;
    times.reserve(kMeasured);
    for (int i = -kWarmUp; i < kMeasured; ++i) {
      if (i == 0) when_warm();
      const std::string key = key_of(random_() % keys_);
      const std::string value = value_of(random_());
      const auto begin = Clock::now();
      transact([&] { kv::assign(store().values.find(std::string_view(key))->second, value); });
      const auto end = Clock::now();
      if (i >= 0) times.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    }
    double sum = 0;
    for (const double time : times) sum += time;
    return {quantile(times, 0.5), quantile(times, 0.99), sum / kMeasured};
  }

  std::uint64_t keys_;
  BareWorker worker_;
  std::mt19937_64 random_;
  std::uint64_t used_ = 0;
  void* state_ = nullptr;
  std::ptrdiff_t state_offset_ = 0;
};

std::int64_t status(test::Talk& talk, std::string_view name) {
  const auto map = talk.reply({"SYS", "GET_STATUS", "kv"});
  const resp::Reply* field = map ? map->field(name) : nullptr;
  test::require(field != nullptr, "no status");
  return field->integer;
}

// The same through everything: client, daemon, mailbox, worker, and back.
void through_the_worker(std::uint64_t keys) {
  constexpr std::uint64_t kCalls = 5'000;
  test::Instance peeperd{kv_config(keys)};
  peeperd.start();
  load_keys(peeperd, keys);
  test::Talk talk = peeperd.talk();
  std::mt19937_64 random{keys};
  enum class Verb { kGet, kSet };
  const auto row = [&](const char* what, Verb verb, auto next_key) {
    std::vector<double> times;
    const std::int64_t faults = status(talk, "journal_faults");
    const std::int64_t copies = status(talk, "journal_copies");
    for (std::uint64_t i = 0; i < kCalls; ++i) {
      const std::string key = key_of(next_key());
      const std::string value = value_of(random());
      const auto begin = Clock::now();
      if (verb == Verb::kGet)
        test::require(talk({"CALL", "kv", "GET", key}).size() == value.size(), "GET failed");
      else
        test::require(talk({"CALL", "kv", "SET", key, value}) == "OK", "SET failed");
      times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    std::printf("  %-12llu %-24s %8.1f %8.1f %8s %8.2f %8.1f\n",
                static_cast<unsigned long long>(keys), what, quantile(times, 0.5),
                quantile(times, 0.99), "",
                static_cast<double>(status(talk, "journal_faults") - faults) / kCalls,
                static_cast<double>(status(talk, "journal_copies") - copies) / kCalls);
  };
  const auto any_old = [&] { return random() % keys; };
  std::uint64_t newest = keys;
  row("GET, for comparison", Verb::kGet, any_old);
  row("SET of one that is there", Verb::kSet, any_old);
  row("SET of a new one", Verb::kSet, [&] { return newest++; });
  peeperd.stop();
}

}  // namespace

void update_by_size(const Settings& settings) {
  std::printf("\nupdate of one random key of N, 32-byte values, in one process; us a message\n");
  std::printf("  %-12s %-24s %8s %8s %8s %8s %8s\n", "keys", "mode", "p50", "p99", "mean", "faults",
              "copies");
  const auto row = [](std::uint64_t keys, const char* mode, const Figures& f) {
    std::printf("  %-12llu %-24s %8.2f %8.2f %8.2f %8.2f %8.1f\n",
                static_cast<unsigned long long>(keys), mode, f.p50, f.p99, f.mean, f.faults,
                f.copies);
    std::fflush(stdout);
  };
  std::vector<double> learnt;
  for (const std::uint64_t keys : sizes(settings)) {
    Bench bench{keys};
    row(keys, "no transaction", bench.bare());
    // Beyond this each message would copy megabytes.
    if (keys <= 1000) row(keys, "copy (all of the heap)", bench.copy());
    row(keys, "protect (no page is hot)", bench.guarded(worker::kNeverHot));
    const Figures f = bench.guarded(bench.break_even());
    row(keys, "learnt (as the worker)", f);
    learnt.push_back(f.p50);
    std::printf("  %-12s heap %.1f MiB; a fault costs %u copies of a page\n", "",
                static_cast<double>(bench.used()) / (1 << 20), bench.break_even());
  }
  if (learnt.size() > 2)
    std::printf("  learnt, 1 M keys against 100 k, p50: %.2f (goal: at most 2); 1 M: %.1f us "
                "(goal: at most 60)\n",
                learnt[2] / learnt[1], learnt[2]);

  std::printf("\nkv through peeperd, one client, one call at a time; us a call\n");
  std::printf("  %-12s %-24s %8s %8s %8s %8s %8s\n", "keys", "", "p50", "p99", "", "faults",
              "copies");
  for (const std::uint64_t keys : sizes(settings)) through_the_worker(keys);
}

}  // namespace peeper::bench
