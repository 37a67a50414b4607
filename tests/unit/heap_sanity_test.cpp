// heap_is_sane(): what of the allocator's bookkeeping it sees through.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <vector>

#include "heap_test_worker.hpp"

using namespace peeper;
using peeper::test::HeapWorker;

namespace {

// A heap of five blocks, the second and the fourth of them free again.
struct FiveBlocks {
  FiveBlocks() {
    worker.transact([&] {
      for (std::byte*& block : blocks) block = take(1000);
      worker.heap().set_state(blocks[0]);
      worker.heap().deallocate(blocks[1]);
      worker.heap().deallocate(blocks[3]);
    });
  }
  std::byte* take(std::size_t bytes) {
    return static_cast<std::byte*>(worker.heap().allocate(bytes, 8));
  }

  HeapWorker worker;
  std::byte* blocks[5] = {};
};

}  // namespace

TEST_CASE("a heap is sane through whatever is allocated and freed, and as it grows") {
  CHECK(heap_is_sane());  // where there is none
  HeapWorker worker{4 << 20};
  worker.transact([&] { worker.heap().set_state(worker.heap().allocate(1, 1)); });
  std::mt19937 random{1};
  std::vector<void*> held;
  for (int round = 0; round < 300; ++round) {
    worker.transact([&] {
      for (int i = 0; i < 10; ++i) {
        if (held.empty() || random() % 3 != 0) {
          held.push_back(worker.heap().allocate(random() % 2000, std::size_t{1} << random() % 10));
        } else {
          std::swap(held[random() % held.size()], held.back());
          worker.heap().deallocate(held.back());
          held.pop_back();
        }
      }
    });
    REQUIRE(heap_is_sane());
  }
  CHECK(worker.keeper().control().worker.heap_reserved.load() > segment::kFirstHeapBytes);
}

TEST_CASE("a heap whose block heads were written over is not sane") {
  FiveBlocks made;
  REQUIRE(heap_is_sane());
  made.worker.transact([&] {
    // Given out, free, and behind a free one. A head is the 16 bytes before its block.
    for (const std::byte* block : {made.blocks[0], made.blocks[1], made.blocks[2], made.blocks[3],
                                   made.blocks[4]}) {
      auto* head = const_cast<std::byte*>(block) - 16;
      std::byte before[16];
      std::memcpy(before, head, sizeof before);
      for (const int bit : {64, 70, 100, 125, 126, 127}) {
        CAPTURE(block - made.blocks[0]);
        CAPTURE(bit);
        head[bit / 8] ^= std::byte{1} << (bit % 8);
        CHECK_FALSE(heap_is_sane());
        std::memcpy(head, before, sizeof before);
      }
      std::memset(head, 'x', sizeof before);
      CHECK_FALSE(heap_is_sane());
      std::memset(head, 0, sizeof before);
      CHECK_FALSE(heap_is_sane());
      std::memcpy(head, before, sizeof before);
      REQUIRE(heap_is_sane());
    }
  });
}
