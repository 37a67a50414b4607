// How the heap grows: up to its limit, and up to what /dev/shm has, to the last piece.
#include <doctest/doctest.h>

#include <new>
#include <string>

#include "full_memory.hpp"
#include "heap_test_worker.hpp"

using namespace peeper;
using peeper::test::FullMemory;
using peeper::test::HeapWorker;

namespace {

constexpr std::size_t KiB = 1024;
constexpr std::size_t MiB = 1024 * KiB;

std::uint64_t reserved(const HeapWorker& worker) {
  return worker.keeper().control().worker.heap_reserved.load();
}

// Why it can't be had; empty if it can.
std::string take(HeapWorker& worker, std::size_t bytes) {
  try {
    (void)worker.heap().allocate(bytes, 8);
    return {};
  } catch (const std::bad_alloc& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("a block fits that needs the heap's free end and all it may still grow by") {
  HeapWorker worker{1 * MiB};
  REQUIRE(reserved(worker) == 256 * KiB);
  worker.transact([&] {
    REQUIRE(take(worker, 100 * KiB) == "");
    // More than the 768 KiB that are left to grow by, less than those and the free end.
    CHECK(take(worker, 850 * KiB) == "");
    CHECK(reserved(worker) == 1 * MiB);
    // And what is free of all that is enough for small ones.
    CHECK(take(worker, 40 * KiB) == "");
    CHECK(take(worker, 100 * KiB) ==
          "out of state memory: state_size = 1048576 bytes is reached (raise it)");
  });
}

TEST_CASE("a block that can't fit below the limit takes nothing on the way") {
  HeapWorker worker{1 * MiB};
  const std::string reached =
      "out of state memory: state_size = 1048576 bytes is reached (raise it)";
  worker.transact([&] {
    CHECK(take(worker, 1 * MiB) == reached);
    CHECK(take(worker, 1 * MiB + 1) == reached);
    CHECK(take(worker, SIZE_MAX / 2) == reached);
  });
  CHECK(reserved(worker) == 256 * KiB);
}

TEST_CASE("where /dev/shm has no room for the usual step, a smaller one does") {
  HeapWorker worker{64 * MiB};
  worker.transact([&] { REQUIRE(take(worker, 3 * MiB) == ""); });
  REQUIRE(reserved(worker) == 4 * MiB);
  // The next step is 4 MiB of heap, and as much again for the journal.
  const FullMemory full{{.bytes = 5 * MiB}};
  worker.transact([&] {
    CHECK(take(worker, 1900 * KiB) == "");
    CHECK(full.failures() > 0);
    CHECK(reserved(worker) > 4 * MiB);
    CHECK(reserved(worker) < 8 * MiB);
  });
}

TEST_CASE("a block that /dev/shm has no room for fails its message, and takes nothing on the way") {
  HeapWorker worker{64 * MiB};
  const FullMemory full{{.bytes = 5 * MiB}};
  worker.transact([&] {
    CHECK(take(worker, 20 * MiB).starts_with("out of state memory: no room in /dev/shm for"));
    CHECK(reserved(worker) == 256 * KiB);
    CHECK(take(worker, 1 * MiB) == "");
  });
}

TEST_CASE("small blocks fill what /dev/shm has to its last pages") {
  HeapWorker worker{64 * MiB};
  constexpr std::uint64_t kRoom = 6 * MiB;
  const FullMemory full{{.bytes = kRoom}};
  worker.transact([&] {
    std::string why;
    std::uint64_t taken = 0;
    while ((why = take(worker, 1000)).empty()) taken += 1000;
    CHECK(why.starts_with("out of state memory: no room in /dev/shm for server"));
    // Half of the room is the journal's.
    CHECK(taken > kRoom / 2 * 9 / 10);
  });
}
