// Raising a segment's limit, killed at every machine instruction, and failing at each of its
// reservations: it leaves the old limit or the new one, with the same heap.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "common/segment/plan.hpp"
#include "common/unique_fd.hpp"
#include "full_memory.hpp"
#include "segment_fixture.hpp"
#include "stepper.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::FullMemory;
using peeper::test::TestSegment;

namespace {

constexpr std::uint64_t kOld = 64 * 1024;
// The new journal overlaps the old one, so that whoever mixes the plans up is found out.
constexpr std::uint64_t kNew = 96 * 1024;
constexpr std::uint64_t kPages = kOld / kPageBytes;
const Wanted kHigher{"behaviour", kNew, 64 * 1024};

// A heap after a rollback: the journal still holds the pages of a message that died, and must not
// be taken for one of the pages where it is then.
void fill(const TestSegment& made) {
  for (std::uint64_t page = 0; page < kPages; ++page)
    std::memset(made.segment.heap().data() + page * kPageBytes, 0x10 + static_cast<int>(page),
                kPageBytes);
  Transaction transaction{made.segment};
  transaction.begin(Channel::kInit, 0, 1);
  transaction.journal().save(0, kPages);
  std::memset(made.segment.heap().data(), 0xEE, kOld);
  REQUIRE(roll_back(made.segment).has_value());
}

// The segment's file. Read by system calls: a look through a mapping would give memory to holes.
class File {
 public:
  explicit File(const SegmentId& id, int flags = O_RDWR)
      : fd_(::open(id.path().c_str(), flags | O_CLOEXEC, 0600)) {
    REQUIRE(fd_.get() >= 0);
  }
  [[nodiscard]] struct stat facts() const {
    struct stat facts {};
    REQUIRE(::fstat(fd_.get(), &facts) == 0);
    return facts;
  }
  void read(std::vector<std::byte>& bytes) const {
    bytes.resize(static_cast<std::size_t>(facts().st_size));
    REQUIRE(::pread(fd_.get(), bytes.data(), bytes.size(), 0) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void write(const std::vector<std::byte>& bytes) const {
    REQUIRE(::ftruncate(fd_.get(), 0) == 0);
    REQUIRE(::pwrite(fd_.get(), bytes.data(), bytes.size(), 0) ==
            static_cast<ssize_t>(bytes.size()));
  }

 private:
  UniqueFd fd_;
};

// A name that is free again in the end.
struct Name {
  SegmentId id = test::fresh_id();
  ~Name() { remove_segment(id); }
};

// What can't be missing with `reserved` bytes of heap: rings, heap, and the journal's least.
std::uint64_t least_memory(const Plan& plan, std::uint64_t reserved) {
  constexpr std::uint64_t kParts = 3;  // numbers, and who wrote pages and blocks
  return plan.heap.offset + reserved + kParts * kPageBytes + journal_set_aside(plan).bytes;
}

bool journal_works(Segment& segment, const std::vector<std::byte>& heap) {
  Transaction transaction{segment};
  transaction.begin(Channel::kInit, 0, 1);
  transaction.journal().save(0, kPages);
  std::memset(segment.heap().data(), 0xDD, kOld);
  return roll_back(segment).has_value() &&
         std::memcmp(segment.heap().data(), heap.data(), kOld) == 0;
}

}  // namespace

TEST_CASE("a limit whose raising is killed at any instruction is the old one or the new one") {
  TestSegment running;
  fill(running);
  const std::vector<std::byte> heap = running.heap();
  const File file{running.id};
  const Name copy;
  const File copied{copy.id, O_RDWR | O_CREAT | O_EXCL};

  std::vector<std::byte> last;
  std::vector<std::byte> bytes;
  long last_blocks = 0;
  int looks = 0;
  int old_limit = 0;
  int wrong = 0;
  const std::uint64_t steps = test::step_through(
      [&] {
        if (!running.segment.raise_limit(kNew)) ::_exit(1);
      },
      [&](std::uint64_t step) {
        // Some states of the file last for a few instructions only.
        if (step % std::min<std::uint64_t>(test::kLongStride, 2) != 0) return;
        // Most instructions change nothing outside of the process.
        file.read(bytes);
        const long blocks = file.facts().st_blocks;
        if (bytes == last && blocks == last_blocks) return;
        last = bytes;
        last_blocks = blocks;
        ++looks;
        copied.write(bytes);
        // As the next keeper does.
        auto next = Segment::open_or_create(copy.id, kHigher, std::chrono::milliseconds{0});
        if (!next || !roll_back(*next)) {
          ++wrong;
          return;
        }
        const std::uint64_t limit = next->heap().size();
        if (limit == kOld) ++old_limit;
        const bool one_of_both = limit == kOld || limit == kNew;
        const bool has_memory = static_cast<std::uint64_t>(blocks) * 512 >=
                                least_memory(next->plan(), kOld);
        const bool same = std::memcmp(next->heap().data(), heap.data(), kOld) == 0;
        const bool raised = next->raise_limit(kNew).has_value() && next->heap().size() == kNew &&
                            std::memcmp(next->heap().data(), heap.data(), kOld) == 0 &&
                            journal_works(*next, heap);
        if (!one_of_both || !has_memory || !same || !raised) ++wrong;
      });
  MESSAGE("instructions: " << steps << ", with another file after them: " << looks
                           << ", of those with the old limit: " << old_limit);
  CHECK(wrong == 0);
  CHECK(steps > 500);
  CHECK(looks > 6);  // how many stores a copy is, is the compiler's affair
  CHECK(old_limit > 5);
  CHECK(looks > old_limit);
  // And whoever isn't killed has nothing left over.
  CHECK(static_cast<std::uint64_t>(file.facts().st_blocks) * 512 ==
        least_memory(lay_out({kNew, 64 * 1024}), kOld));
}

TEST_CASE("a limit that /dev/shm has no room for stays as it was, and takes nothing") {
  for (std::uint64_t attempt = 0; attempt < 6; ++attempt) {
    const std::uint64_t calls = attempt % 3;
    const std::uint64_t limit = attempt < 3 ? kNew : 1024 * 1024;  // beyond the old journal
    CAPTURE(calls);
    CAPTURE(limit);
    TestSegment made;
    fill(made);
    const std::vector<std::byte> heap = made.heap();
    const File file{made.id};
    const struct stat before = file.facts();
    {
      const FullMemory full{{.calls = calls}};
      const auto raised = made.segment.raise_limit(limit);
      REQUIRE_FALSE(raised.has_value());
      CHECK(raised.error().what.starts_with("no room in /dev/shm for server 'server'"));
    }
    CHECK(file.facts().st_size == before.st_size);
    CHECK(file.facts().st_blocks == before.st_blocks);
    CHECK(made.segment.heap().size() == kOld);
    CHECK(made.heap() == heap);
    CHECK(journal_works(made.segment, heap));
    REQUIRE(made.segment.raise_limit(limit).has_value());
    CHECK(made.segment.heap().size() == limit);
    CHECK(std::memcmp(made.segment.heap().data(), heap.data(), kOld) == 0);
    CHECK(journal_works(made.segment, heap));
  }
}

TEST_CASE("a heap that /dev/shm has no room for doesn't grow, and takes nothing") {
  for (std::uint64_t calls = 0; calls < 2; ++calls) {
    CAPTURE(calls);
    TestSegment made{{"behaviour", 8 << 20, 64 * 1024}};
    const File file{made.id};
    const auto before = file.facts().st_blocks;
    {
      const FullMemory full{{.calls = calls}};
      REQUIRE_FALSE(made.segment.reserve_heap(4 << 20).has_value());
    }
    CHECK(file.facts().st_blocks == before);
    CHECK(made.segment.control().worker.heap_reserved.load() == kFirstHeapBytes);
    REQUIRE(made.segment.reserve_heap(4 << 20).has_value());
    CHECK(file.facts().st_blocks > before);
  }
}
