// Large transactions: one message may fill the heap to its limit, or dirty every page that has
// memory, and is committed or undone as any other.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <new>
#include <vector>

#include "heap_test_worker.hpp"
#include "peeper/containers.hpp"

using namespace peeper;
using peeper::test::Event;
using peeper::test::HeapWorker;

namespace {

constexpr std::uint64_t kLimit = 64 << 20;
constexpr peeper::test::Moment kAtItsEnd{Event::kFault, 0};
using Numbers = peeper::vector<std::uint64_t>;

// A worker whose State is a vector.
struct Large {
  explicit Large(std::size_t size) {
    worker.transact([&] {
      void* memory = worker.heap().allocate(sizeof(Numbers), alignof(Numbers));
      worker.heap().set_state(new (memory) Numbers());
    });
    worker.transact([&] { state().resize(size, 7); });
  }

  Numbers& state() { return *static_cast<Numbers*>(worker.heap().state()); }
  [[nodiscard]] bool is_untouched(std::size_t size) {
    return state().size() == size &&
           std::all_of(state().begin(), state().end(), [](std::uint64_t n) { return n == 7; });
  }
  // All of the heap that has memory, as the keeper sees it.
  [[nodiscard]] std::span<std::byte> memory() const {
    return worker.keeper().heap().first(worker.keeper().control().worker.heap_reserved.load());
  }
  [[nodiscard]] std::vector<std::byte> copy() const {
    return {memory().begin(), memory().end()};
  }
  [[nodiscard]] std::uint64_t saved_pages() const {
    return worker.keeper().control().journal.count.load();
  }

  // Writes into every page that has memory, also those of the allocator and those that it gave to
  // nobody; what is in them stays, but for the State's own bytes.
  void dirty_every_page() {
    const auto heap = worker.worker_heap().first(memory().size());
    for (std::size_t at = 0; at < heap.size(); at += segment::kPageBytes) {
      volatile std::byte& byte = heap[at];
      byte = std::byte{byte};
    }
    std::fill(state().begin(), state().end(), 8);
  }

  HeapWorker worker{kLimit, 100};
};

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

TEST_CASE("a message that writes all of a large state faults in blocks, and is undone") {
  Large large{2'000'000};
  const std::uint64_t faults = large.worker.guard().counts().faults;
  (void)large.worker.crash(kAtItsEnd, [&] {
    for (auto& number : large.state()) number = 8;
    CHECK(large.worker.guard().counts().faults - faults < 1000);  // of 4000 pages
  });
  CHECK(large.is_untouched(2'000'000));
}

TEST_CASE("a message that asks for more than the limit gets an exception, and is undone") {
  Large large{2'000'000};
  CHECK_THROWS_AS((void)large.worker.crash(kAtItsEnd, [&] { large.state().resize(20'000'000, 9); }),
                  std::bad_alloc);
  large.worker.restart();
  CHECK(large.is_untouched(2'000'000));
}

TEST_CASE("one message fills the heap to its limit, gets bad_alloc, and is undone") {
  Large large{100'000};
  std::uint64_t taken = 0;
  const auto fill = [&] {
    taken = 0;
    while (true) {
      void* block = large.worker.heap().allocate(10'000, 8);
      std::memset(block, 9, 10'000);
      taken += 10'000;
    }
  };
  const std::vector<std::byte> before = large.copy();
  CHECK_THROWS_AS((void)large.worker.crash(kAtItsEnd, fill), std::bad_alloc);
  CHECK(large.memory().size() == kLimit);
  CHECK(taken > kLimit - (3 << 20));
  // Each page is in the journal but for those inside of the State, which it only holds.
  constexpr std::uint64_t kStatePages = 100'000 * sizeof(std::uint64_t) / segment::kPageBytes;
  CHECK(large.saved_pages() >= kLimit / segment::kPageBytes - kStatePages - 2);
  large.worker.restart();
  CHECK(equal(large.memory().first(before.size()), before));
  CHECK(large.worker.heap().is_sane());
  // What was reserved serves the next message: it is as full as the first, no more, no less.
  const std::uint64_t first = taken;
  CHECK_THROWS_AS((void)large.worker.crash(kAtItsEnd, fill), std::bad_alloc);
  CHECK(taken == first);
  large.worker.restart();
  CHECK(large.is_untouched(100'000));
}

TEST_CASE("a message that dirties every page of the heap commits") {
  Large large{3'000'000};
  const std::uint64_t pages = large.memory().size() / segment::kPageBytes;
  REQUIRE(pages > 6'000);
  for (int round = 0; round < 2; ++round) {
    large.worker.transact([&] {
      large.dirty_every_page();
      CHECK(large.saved_pages() == pages);
    });
  }
  CHECK(large.memory().size() == pages * segment::kPageBytes);
  large.worker.restart();  // has nothing to undo
  CHECK(large.state().size() == 3'000'000);
  CHECK(std::all_of(large.state().begin(), large.state().end(),
                    [](std::uint64_t n) { return n == 8; }));
  CHECK(large.worker.heap().is_sane());
}

TEST_CASE("a message that dirties every page of the heap is killed, and undone byte for byte") {
  Large large{3'000'000};
  const std::uint64_t pages = large.memory().size() / segment::kPageBytes;
  const std::vector<std::byte> before = large.copy();
  const pid_t child = ::fork();
  if (child == 0) {
    large.worker.transact([&] {
      large.dirty_every_page();
      ::kill(::getpid(), SIGKILL);
    });
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  CHECK_FALSE(equal(large.memory(), before));
  CHECK(large.saved_pages() == pages);
  const auto undone = segment::roll_back(large.worker.keeper());
  REQUIRE(undone.has_value());
  CHECK(undone->pages_restored == pages);
  CHECK(equal(large.memory(), before));
  large.worker.restart();
  CHECK(large.is_untouched(3'000'000));
}
