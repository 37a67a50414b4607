#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "bare_worker.hpp"
#include "bench.hpp"
#include "common/segment/message.hpp"
#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

using namespace segment;
using Clock = std::chrono::steady_clock;

constexpr int kMessages = 1'000'000;

struct Temporary {
  SegmentId id{"bench" + std::to_string(::getpid()), "commit"};
  ~Temporary() { remove_segment(id); }
};

template <class Work>
double nanoseconds_each(Work work) {
  const auto begin = Clock::now();
  for (int i = 0; i < kMessages; ++i) work();
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / kMessages;
}

}  // namespace

namespace {

// A counter's message as a worker runs it: its page is hot, the guard saves it. Against the same
// increment without anything around it.
void counter_commit(const Settings& settings) {
  BareWorker worker{256 * 1024};
  std::uint64_t* counter = nullptr;
  worker.transact([&] {
    void* memory = worker.heap().allocate(sizeof *counter, alignof(std::uint64_t));
    counter = static_cast<std::uint64_t*>(memory);
    *counter = 0;
  });
  volatile std::uint64_t* count = counter;
  for (int i = 0; i < 1000; ++i) worker.transact([&] { *count = *count + 1; });
  volatile std::uint64_t elsewhere = 0;
  std::vector<double> empty;
  std::vector<double> whole;
  for (int run = 0; run < settings.runs; ++run) {
    empty.push_back(nanoseconds_each([&] { elsewhere = elsewhere + 1; }));
    whole.push_back(nanoseconds_each([&] { worker.transact([&] { *count = *count + 1; }); }));
  }
  std::printf("  %-44s %8.1f\n", "a counter with the page guard", quantile(whole, 0.5));
  std::printf("  %-44s %8.1f   (goal: at most 150)\n", "... over an empty loop",
              quantile(whole, 0.5) - quantile(empty, 0.5));
}

}  // namespace

void bare_commit(const Settings& settings) {
  Temporary temporary;
  auto made = Segment::open_or_create(temporary.id, {"bench", 256 * 1024, 64 * 1024},
                                      std::chrono::milliseconds{0});
  test::require(made.has_value(), made ? "" : made.error().what);
  Segment& segment = *made;
  Transaction transaction{segment};
  volatile std::uint64_t* counter = reinterpret_cast<std::uint64_t*>(segment.heap().data());

  std::printf("\nbare commit, ns a message (%d messages, median of %d runs)\n", kMessages,
              settings.runs);
  std::printf("  %-44s %8s\n", "", "ns");
  const auto report = [&](const char* what, auto work) {
    std::vector<double> times;
    for (int run = 0; run < settings.runs; ++run) times.push_back(nanoseconds_each(work));
    std::printf("  %-44s %8.1f\n", what, quantile(times, 0.5));
  };
  const auto now = [] {
    return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
  };
  report("empty loop with the increment", [&] { *counter = *counter + 1; });
  report("reading the clock", [&] { (void)now(); });
  for (const std::uint64_t pages : {0, 1, 2, 16, 60}) {
    const std::string what = "begin, " + std::to_string(pages) + " pages, reply, commit";
    report(what.c_str(), [&] {
      transaction.begin(Channel::kMailbox, 0, 1);
      transaction.journal().save(0, pages);
      *counter = *counter + 1;
      std::byte* room = transaction.add_reply(1, 1, 4);
      std::memcpy(room, ":1\r\n", 4);
      transaction.commit(0);
      segment.control().replies.head.store(transaction.reply_tail(), std::memory_order_release);
    });
  }
  counter_commit(settings);
}

}  // namespace peeper::bench
