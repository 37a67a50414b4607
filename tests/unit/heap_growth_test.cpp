// How the heap grows: up to its limit, and up to what /dev/shm has, to the last piece.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <cstring>
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
  worker.transact([&] { REQUIRE(take(worker, 16 * MiB) == ""); });
  const std::uint64_t before = reserved(worker);
  // The next step is an eighth of that.
  const FullMemory full{{.bytes = 1 * MiB}};
  worker.transact([&] {
    CHECK(take(worker, 900 * KiB) == "");
    CHECK(full.failures() > 0);
    CHECK(reserved(worker) > before);
    CHECK(reserved(worker) <= before + 1 * MiB);
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
    // Half of the room, and some, is what undoes this very message.
    CHECK(taken > kRoom / 2 * 8 / 10);
  });
}

// --- The journal's own memory --------------------------------------------------------------------

namespace {

constexpr std::size_t kPage = 4096;

// Blocks in /dev/shm, in bytes. Read by a system call: a look would give memory to holes.
std::uint64_t taken_in_shm(const HeapWorker& worker) {
  struct stat facts {};
  REQUIRE(::stat(worker.keeper().id().path().c_str(), &facts) == 0);
  return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

std::byte* large_block(HeapWorker& worker, std::size_t bytes) {
  std::byte* block = nullptr;
  worker.transact([&] {
    block = static_cast<std::byte*>(worker.heap().allocate(bytes, kPage));
    std::memset(block, 1, bytes);
  });
  worker.guard().rest();
  return block;
}

}  // namespace

TEST_CASE("a message that changes much takes memory for that, and gives it back at rest") {
  HeapWorker worker{64 * MiB};
  std::byte* block = large_block(worker, 16 * MiB);
  const std::uint64_t before = taken_in_shm(worker);
  CHECK(before < 16 * MiB * 5 / 4 + 4 * MiB);  // heap, rings, a little
  worker.transact([&] {
    std::memset(block, 2, 16 * MiB);
    CHECK(taken_in_shm(worker) >= before + 14 * MiB);
  });
  worker.guard().rest();
  CHECK(taken_in_shm(worker) <= before);
  // And it is undone as any other.
  worker.crash({peeper::test::Event::kFault, 0}, [&] { std::memset(block, 3, 16 * MiB); });
  CHECK(taken_in_shm(worker) <= before + 2 * MiB);
}

TEST_CASE("a message that changes more than /dev/shm has room to undo fails, and small ones don't") {
  HeapWorker worker{64 * MiB};
  std::byte* block = large_block(worker, 16 * MiB);
  const FullMemory full{{.pages = 0}};
  worker.transact([&] {
    for (std::size_t page = 0; page < 30; ++page) block[page * kPage] = std::byte{9};
    CHECK_FALSE(worker.guard().lacks_room());
    // As a system call's buffer would be.
    CHECK_THROWS_AS(worker.guard().touch(block, 16 * MiB), std::bad_alloc);
    CHECK(worker.guard().lacks_room());
    std::size_t allowed = 0;
    while (allowed < 64 && worker.guard().on_fault(block + (2000 + allowed) * kPage)) ++allowed;
    CHECK(allowed < 64);
  });
  CHECK(full.failures() > 0);
}

// A recovery leaves the entries of what it has undone, and they count until the next begin.
TEST_CASE("a worker that gave the journal's memory back, and dies before its first message, loses "
          "nothing") {
  HeapWorker worker{64 * MiB};
  const std::size_t offset =
      static_cast<std::size_t>(large_block(worker, 4 * MiB) - worker.worker_heap().data());
  worker.crash({peeper::test::Event::kFault, 0}, [&] {
    std::memset(worker.worker_heap().data() + offset, 3, 4 * MiB);
  });
  worker.restart();
  int wrong = 0;
  for (std::size_t at = 0; at < 4 * MiB; ++at)
    if (worker.keeper().heap()[offset + at] != std::byte{1}) ++wrong;
  CHECK(wrong == 0);
}
