// More calls than can be served, at a rate that doesn't care: an open load. The server takes a
// millisecond for each. What is to be seen: whether memory is bounded, the calls served in time
// don't get fewer, TIMEOUT comes when it should, and no connection is starved.
//
// What decides it is whether the mailbox holds more than can be served within the calls' TIMEOUT.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>

#include "bench.hpp"
#include "instance.hpp"
#include "lanes.hpp"
#include "offer.hpp"
#include "processes.hpp"
#include "tsv.hpp"

namespace peeper::bench {
namespace {

constexpr int kClients = 100;
constexpr double kFactor = 10;
constexpr std::chrono::seconds kDraining{30};

struct Case {
  const char* name;
  const char* what;
  const char* config;
  std::chrono::milliseconds timeout;  // of each call
};

constexpr Case kCases[] = {
    {"default", "mailbox 4 MiB, block (the defaults), TIMEOUT 1 s", "",
     std::chrono::milliseconds{1000}},
    {"skip", "mailbox 4 MiB, block, late calls skipped, TIMEOUT 1 s", "late_calls = \"skip\"",
     std::chrono::milliseconds{1000}},
    {"block", "mailbox 64 KiB, block, TIMEOUT 5 s", "mailbox = \"64KiB\"",
     std::chrono::milliseconds{5000}},
    {"reject", "mailbox 64 KiB, reject, TIMEOUT 5 s",
     "mailbox = \"64KiB\"\noverflow = \"reject\"", std::chrono::milliseconds{5000}},
    {"reject_late", "mailbox 64 KiB, reject, TIMEOUT 0.9 s",
     "mailbox = \"64KiB\"\noverflow = \"reject\"", std::chrono::milliseconds{900}},
};

std::shared_ptr<const load::Request> slow_call(const Case& one) {
  return request_of(Command::call("counter", "hang", 1), one.timeout);
}

// Calls a second, when there are always some but not too many.
double capacity(const std::string& socket, const Case& one) {
  Lanes lanes;
  for (int i = 0; i < 8; ++i) add_lane(lanes, socket, slow_call(one));
  load::Crowd crowd = gather(std::move(lanes));
  const load::Tally tally = load::carry(crowd, {.time = std::chrono::seconds{2}});
  test::require(!tally.failure && tally.errors == 0, "the server does not even serve a few");
  return tally.per_second();
}

void print_line(const Second& second, int number, int seconds, const Memory& memory) {
  const double per = seconds;
  const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
  std::printf("  %5d %8.0f %8.0f %8.0f %8.0f %8.0f %8.1f %8.1f %8.1f %8.1f\n", number,
              static_cast<double>(second.offered) / per,
              static_cast<double>(second.held_back) / per,
              static_cast<double>(second.served.count()) / per,
              static_cast<double>(second.timeouts.count()) / per,
              static_cast<double>(second.busy) / per, ms(second.served.quantile(0.5)),
              ms(second.served.quantile(0.99)), ms(second.timeouts.most()),
              memory.all() / kMiB);
  std::fflush(stdout);
}

void summarize(const Offer& offer, double most_memory, double first_memory) {
  const auto [least, most] = std::ranges::minmax_element(offer.served_of_lane());
  const auto [fewest, greatest] = std::ranges::minmax_element(offer.answers_of_lane());
  std::printf("  served per connection %llu to %llu, answered %llu to %llu; memory at first %.1f, "
              "at most %.1f MiB\n",
              static_cast<unsigned long long>(*least), static_cast<unsigned long long>(*most),
              static_cast<unsigned long long>(*fewest), static_cast<unsigned long long>(*greatest),
              first_memory / kMiB, most_memory / kMiB);
  std::printf("  %llu calls were sent, %llu never answered; other errors: %llu%s%s\n",
              static_cast<unsigned long long>(offer.sent()),
              static_cast<unsigned long long>(offer.missing()),
              static_cast<unsigned long long>(offer.other_errors()),
              offer.other_errors() > 0 ? ", the first " : "", offer.first_other_error().c_str());
}

void run(const Settings& settings, const Case& one) {
  test::Instance peeperd{test::counter_config("counter", one.config)};
  peeperd.start();
  const double served = capacity(peeperd.socket(), one);
  const double rate = kFactor * served;
  std::printf("\noverload: %s\n", one.what);
  std::printf("  %.0f calls/s can be served, %.0f are offered over %d connections; per second:\n",
              served, rate, kClients);
  std::printf("  %5s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "", "", "no room", "", "", "",
              "served", "served", "TIMEOUT", "memory");
  std::printf("  %5s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "s", "offered", "to send", "served",
              "TIMEOUT", "BUSY", "p50 ms", "p99 ms", "max ms", "MiB");
  Tsv data(settings, std::string("overload_") + one.name,
           {"s", "offered", "held_back", "served", "timeouts", "busy", "served_p50_ms",
            "served_p99_ms", "timeout_max_ms", "processes_MiB", "segments_MiB"});
  Lanes lanes;
  for (int i = 0; i < kClients; ++i) add_lane(lanes, peeperd.socket(), slow_call(one));
  load::Crowd crowd = gather(std::move(lanes));
  Offer offer(crowd, rate);
  const auto memory = [&] { return memory_of_instance(peeperd.daemon().pid(), peeperd.name()); };
  const double first_memory = memory().all();
  double most_memory = first_memory;
  const int step = std::max(1, settings.seconds / 12);
  Second shown;
  for (int second = 1; second <= settings.seconds; ++second) {
    const Second now = offer.one_second();
    const Memory held = memory();
    most_memory = std::max(most_memory, held.all());
    const auto ms = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e6; };
    data.row({static_cast<double>(second), static_cast<double>(now.offered),
              static_cast<double>(now.held_back), static_cast<double>(now.served.count()),
              static_cast<double>(now.timeouts.count()), static_cast<double>(now.busy),
              ms(now.served.quantile(0.5)), ms(now.served.quantile(0.99)),
              ms(now.timeouts.most()), held.processes / kMiB, held.segments / kMiB});
    shown.merge(now);
    if (second % step != 0) continue;
    print_line(shown, second, step, held);
    shown = Second();
  }
  offer.drain(kDraining);
  summarize(offer, most_memory, first_memory);
  peeperd.kill_daemon();  // in order it would wait for what is in the mailbox
}

}  // namespace

void overload(const Settings& settings) {
  for (const Case& one : kCases) run(settings, one);
}

}  // namespace peeper::bench
