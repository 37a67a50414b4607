#include "common/segment/segment.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using namespace std::chrono_literals;
using peeper::test::TestSegment;

namespace {

std::string refusal(const SegmentId& id, const Wanted& wanted) {
  const auto opened = Segment::open_or_create(id, wanted, 0ms);
  return opened ? std::string() : opened.error().what;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Runs `work` in a child and returns its exit status.
template <class Work>
int in_child(Work work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// What the kernel notes down of the mapping that holds `address`: "rd wr sh …".
std::string flags_of_mapping(const void* address) {
  std::ifstream maps{"/proc/self/smaps"};
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  bool is_inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
      is_inside = begin <= wanted && wanted < end;
    if (is_inside && line.starts_with("VmFlags:")) return line;
  }
  return {};
}

}  // namespace

TEST_CASE("a segment is private to its user and has its first memory reserved") {
  const TestSegment made;
  struct stat facts {};
  REQUIRE(::stat(made.id.path().c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  CHECK(static_cast<std::uint64_t>(facts.st_size) == made.segment.plan().total_bytes);
  // All of it but what the heap has not grown into yet.
  CHECK(facts.st_blocks * 512 >= static_cast<long>(kRingsOffset + 4 * 64 * 1024));
}

TEST_CASE("the unused part of a segment costs nothing, however large its limit is") {
  const TestSegment small{{"behaviour", 1 << 20, 64 * 1024}};
  const TestSegment huge{{"behaviour", std::uint64_t{64} << 30, 64 * 1024}};
  const auto memory = [](const TestSegment& made) {
    struct stat facts {};
    REQUIRE(::stat(made.id.path().c_str(), &facts) == 0);
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
  };
  // The rings, the first step of the heap, and its place in the journal, with a page each of numbers
  // and of who wrote pages and blocks.
  CHECK(memory(huge) == huge.segment.plan().heap.offset + 2 * kFirstHeapBytes + 3 * kPageBytes);
  CHECK(memory(huge) == memory(small));
  // Mapping all of it takes none either.
  const auto worker = Segment::open(huge.id, View::kWhole);
  REQUIRE(worker.has_value());
  CHECK(memory(huge) == memory(small));
}

TEST_CASE("a segment whose code was changed opens for any behaviour") {
  const SegmentId id = test::fresh_id();
  const Wanted other{"other", 64 * 1024, 64 * 1024};
  (void)TestSegment::make(id, test::small_segment());
  CHECK(contains(refusal(id, other), "has behaviour 'behaviour'"));
  TestSegment::make(id, test::small_segment()).header().behaviour[0] = '\0';
  CHECK(refusal(id, other) == "");
  CHECK(refusal(id, test::small_segment()) == "");
  remove_segment(id);
}

TEST_CASE("what a segment holds is there when it is opened again") {
  const SegmentId id = test::fresh_id();
  {
    auto made = TestSegment::make(id, test::small_segment());
    made.heap()[100] = std::byte{42};
  }
  auto again = TestSegment::make(id, test::small_segment());
  CHECK(again.heap()[100] == std::byte{42});
  remove_segment(id);
}

TEST_CASE("a segment that is not what the configuration wants is refused and left as it is") {
  const SegmentId id = test::fresh_id();
  {
    auto made = TestSegment::make(id, test::small_segment());
    made.heap()[0] = std::byte{1};
  }
  const std::string behaviour = refusal(id, {"another", 64 * 1024, 64 * 1024});
  CHECK(contains(behaviour, "has behaviour 'behaviour', the configuration asks for 'another'"));
  CHECK(contains(behaviour, "rm /dev/shm/" + id.name()));
  CHECK(contains(refusal(id, {"behaviour", 60 * 1024, 64 * 1024}),
                 "has state_size 65536, the configuration asks for 61440"));
  CHECK(contains(refusal(id, {"behaviour", 64 * 1024, 128 * 1024}), "has mailbox 65536"));
  CHECK(TestSegment::make(id, test::small_segment()).heap()[0] == std::byte{1});
  remove_segment(id);
}

TEST_CASE("a segment of another layout, or not ours at all, is refused") {
  const SegmentId id = test::fresh_id();
  {
    auto made = TestSegment::make(id, test::small_segment());
    made.header().layout_version = 99;
  }
  CHECK(contains(refusal(id, test::small_segment()), "layout version 99"));
  {
    auto opened = boost::interprocess::shared_memory_object{
        boost::interprocess::open_only, id.name().c_str(), boost::interprocess::read_write};
    boost::interprocess::mapped_region region{opened, boost::interprocess::read_write, 0, 4096};
    static_cast<Header*>(region.get_address())->magic.store(1234);
  }
  CHECK(contains(refusal(id, test::small_segment()), "was not made by peeper"));
  remove_segment(id);
}

TEST_CASE("a damaged header is refused, whatever it says") {
  const SegmentId id = test::fresh_id();
  const auto damage = [&](auto change) {
    remove_segment(id);
    {
      auto made = TestSegment::make(id, test::small_segment());
      change(made.header());
    }
    return refusal(id, test::small_segment());
  };
  CHECK(contains(damage([](Header& h) { h.plans[0].heap.offset = ~0ULL - 4095; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.plans[0].heap.bytes = 1ULL << 60; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.plans[0].mailbox.bytes = 4097; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.plans[0].total_bytes += 4096; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.plans[0].journal_index.bytes = 4; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.plans[0].replies.offset = 0; }), "damaged header"));
  CHECK(contains(damage([](Header& h) { h.current.store(2); }), "damaged header"));
  remove_segment(id);
}

TEST_CASE("a plan that is off by anything in any field is refused, by the daemon's view too") {
  // A wild write of the worker's may leave any of these; most would pass a check of bounds only.
  const TestSegment made{{"behaviour", 1 << 20, 256 * 1024}};
  Plan& plan = made.segment.header().plans[0];
  const Plan sound = plan;
  std::uint64_t fields[sizeof(Plan) / sizeof(std::uint64_t)];
  const auto opens = [&](View view) { return Segment::open(made.id, view).has_value(); };
  for (std::size_t field = 0; field < std::size(fields); ++field) {
    CAPTURE(field);
    for (const auto change : {+[](std::uint64_t& f) { f *= 8; }, +[](std::uint64_t& f) { f *= 2; },
                              +[](std::uint64_t& f) { f /= 2; }, +[](std::uint64_t& f) { f = 0; },
                              +[](std::uint64_t& f) { f += kPageBytes; },
                              +[](std::uint64_t& f) { f -= kPageBytes; },
                              +[](std::uint64_t& f) { f += 8; }, +[](std::uint64_t& f) { f = ~f; },
                              +[](std::uint64_t& f) { f ^= 1ULL << 63; }}) {
      std::memcpy(fields, &sound, sizeof sound);
      change(fields[field]);
      std::memcpy(&plan, fields, sizeof plan);
      CAPTURE(fields[field]);
      CHECK_FALSE(opens(View::kRings));
      CHECK_FALSE(opens(View::kWhole));
    }
  }
  plan = sound;
  CHECK(opens(View::kRings));
  CHECK(opens(View::kWhole));
}

TEST_CASE("a segment whose creation was interrupted is made anew") {
  const SegmentId id = test::fresh_id();
  {
    auto made = TestSegment::make(id, test::small_segment());
    made.header().magic.store(0);
    made.heap()[0] = std::byte{9};
  }
  CHECK(TestSegment::make(id, test::small_segment()).heap()[0] == std::byte{0});
  remove_segment(id);
}

TEST_CASE("a segment has one keeper at a time") {
  const TestSegment made;
  CHECK(contains(refusal(made.id, test::small_segment()), "still has a keeper"));
}

TEST_CASE("a claim lasts as long as the mapping, not the descriptor") {
  TestSegment made;
  auto worker = Segment::open(made.id, View::kWhole);
  REQUIRE(worker.has_value());
  REQUIRE(worker->claim(Role::kWorker).has_value());
  worker->close_descriptor();
  CHECK(made.segment.is_claimed(Role::kWorker));
  worker = Failure{};  // unmaps
  CHECK_FALSE(made.segment.is_claimed(Role::kWorker));

  worker = Segment::open(made.id, View::kWhole);
  REQUIRE(worker.has_value());
  REQUIRE(worker->claim_releasably(Role::kWorker).has_value());
  CHECK_FALSE(made.segment.claim_releasably(Role::kWorker).has_value());
  worker->close_descriptor();
  CHECK(made.segment.is_claimed(Role::kWorker));
  worker = Failure{};
  CHECK_FALSE(made.segment.is_claimed(Role::kWorker));
}

TEST_CASE("a child that a worker forks neither sees the segment nor keeps it claimed") {
  TestSegment made;
  int ready[2];
  int done[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(done) == 0);
  const pid_t worker = ::fork();
  if (worker == 0) {
    auto segment = Segment::open(made.id, View::kWhole);
    if (!segment || !segment->claim_releasably(Role::kWorker) || !segment->keep_to_this_process())
      ::_exit(1);
    segment->close_descriptor();
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      unsigned char resident = 0;
      const bool mapped = ::mincore(segment->heap().data(), kPageBytes, &resident) == 0;
      const char answer = mapped ? 'y' : 'n';
      [[maybe_unused]] auto written = ::write(ready[1], &answer, 1);
      char any = 0;
      ::close(done[1]);
      [[maybe_unused]] auto got = ::read(done[0], &any, 1);  // until the test closes it
      ::_exit(0);
    }
    ::kill(::getpid(), SIGKILL);
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'n');
  int status = 0;
  REQUIRE(::waitpid(worker, &status, 0) == worker);
  CHECK(WIFSIGNALED(status));
  // The grandchild still lives, and holds nothing.
  CHECK_FALSE(made.segment.is_claimed(Role::kWorker));
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
}

TEST_CASE("heap that is reserved grows in steps up to the limit and no further") {
  CHECK(next_heap_size(0, 1, 1 << 30) == kFirstHeapBytes);
  CHECK(next_heap_size(kFirstHeapBytes, kFirstHeapBytes + 1, 1 << 30) == 2 * kFirstHeapBytes);
  CHECK(next_heap_size(kFirstHeapBytes, 300 * 1024, 301 * 1024) == 301 * 1024);
  CHECK_FALSE(next_heap_size(kFirstHeapBytes, 302 * 1024, 301 * 1024).has_value());

  TestSegment made{{"behaviour", 1 << 20, 64 * 1024}};
  const auto reserved = [&] { return made.segment.control().worker.heap_reserved.load(); };
  CHECK(reserved() == kFirstHeapBytes);
  REQUIRE(made.segment.reserve_heap(1 << 20).has_value());
  CHECK(reserved() == 1 << 20);
  made.segment.close_descriptor();
  CHECK(made.segment.reserve_heap(1 << 20).has_value());
}

TEST_CASE("a higher limit keeps the heap and what it holds") {
  const SegmentId id = test::fresh_id();
  for (const std::uint64_t limit : {64 * 1024, 100 * 1024, 1024 * 1024, 1024 * 1024, 64 << 20}) {
    auto made = TestSegment::make(id, {"behaviour", limit, 64 * 1024});
    const auto before = std::vector<std::byte>(made.heap().begin(), made.heap().end());
    REQUIRE(made.raise_limit(limit).has_value());
    REQUIRE(made.heap().size() == limit);
    CHECK(std::memcmp(made.heap().data(), before.data(), 64 * 1024) == 0);
    CHECK(made.control().worker.heap_reserved.load() == 64 * 1024);
    // The journal works where it is now.
    std::memset(made.heap().data(), static_cast<int>(limit % 251), 64 * 1024);
    const std::vector<std::byte> kept(made.heap().begin(), made.heap().begin() + 64 * 1024);
    Transaction transaction{made};
    transaction.begin(Channel::kInit, 0, 1);
    transaction.journal().save(0, 16);
    std::memset(made.heap().data(), 0xEE, 64 * 1024);
    REQUIRE(roll_back(made).has_value());
    CHECK(std::memcmp(made.heap().data(), kept.data(), kept.size()) == 0);
  }
  CHECK(contains(refusal(id, {"behaviour", 1024 * 1024, 64 * 1024}), "has state_size 67108864"));
  remove_segment(id);
}

TEST_CASE("a segment that is kept from children and core dumps stays so with a higher limit") {
  const TestSegment made;
  auto keeper = Segment::open(made.id, View::kWhole);
  REQUIRE(keeper.has_value());
  const auto has = [&](const void* address, std::string_view flag) {
    return contains(flags_of_mapping(address), flag);
  };
  CHECK_FALSE(has(keeper->heap().data(), " dc"));
  REQUIRE(keeper->keep_to_this_process().has_value());
  for (const std::uint64_t limit : {64 * 1024, 1 << 20}) {
    CAPTURE(limit);
    REQUIRE(keeper->raise_limit(limit).has_value());
    REQUIRE(keeper->heap().size() == limit);
    CHECK(has(&keeper->control(), " dc"));
    CHECK_FALSE(has(&keeper->control(), " dd"));
    CHECK(has(keeper->mailbox().at(0), " dd"));
    CHECK(has(keeper->heap().data(), " dc"));
    CHECK(has(keeper->heap().data(), " dd"));
    CHECK(has(keeper->journal_pages() + limit - 1, " dd"));
  }
}

TEST_CASE("a limit that can't be raised for lack of memory stays as it was") {
  TestSegment made;
  std::memset(made.segment.heap().data(), 7, 64 * 1024);
  const int status = in_child([&] {
    auto keeper = Segment::open(made.id, View::kWhole);
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return keeper->raise_limit(64 << 20).has_value() ? 1 : 0;
  });
  CHECK(status == 0);
  auto again = Segment::open(made.id, View::kWhole);
  REQUIRE(again.has_value());
  CHECK(again->heap().size() == 64 * 1024);
  CHECK(again->heap()[65535] == std::byte{7});
}

TEST_CASE("a heap that is to grow after its name was removed says so") {
  TestSegment made{{"behaviour", 1 << 20, 64 * 1024}};
  made.segment.close_descriptor();
  remove_segment(made.id);
  const auto grown = made.segment.reserve_heap(1 << 20);
  REQUIRE_FALSE(grown.has_value());
  CHECK(contains(grown.error().what, made.id.path()));
}

TEST_CASE("a full /dev/shm is an error that names what is missing, and leaves nothing behind") {
  // A limit on the size of files stands in for a full file system.
  const SegmentId id = test::fresh_id();
  const Wanted wanted{"behaviour", 64 * 1024, 64 * 1024};
  const int status = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100 * 1024, 100 * 1024};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return refusal(id, wanted).empty() ? 1 : 0;
  });
  CHECK(status == 0);
  CHECK(TestSegment::make(id, wanted).header().magic.load() == kMagic);
  remove_segment(id);
}
