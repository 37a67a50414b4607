#include "worker/runtime/page_guard.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <csignal>
#include <cstring>

#include "worker/runtime/out_of_memory.hpp"

namespace peeper::worker {
namespace {

using segment::kPageBytes;
using Clock = std::chrono::steady_clock;

constexpr const char* kNoRoom =
    "out of state memory: /dev/shm has no room for what undoes a message; make room there "
    "(df -h /dev/shm)";

// Enough for as many pages as can be hot, and some: so much of what messages have taken is kept.
constexpr std::uint64_t kKeptImages = 512;

// Pages opened by one fault. A message that faults often writes much: larger blocks then cost
// copies, which are cheap, where single pages cost faults; and the kernel's number of mappings is
// bounded, each run of writable pages being one.
constexpr std::uint64_t block_pages(std::uint64_t faults) {
  if (faults < 32) return 1;
  if (faults < 128) return 8;
  if (faults < 512) return 64;
  return faults < 2048 ? 512 : 4096;
}

// A number that changes with the page's contents, but for very rare chances. A missed change costs
// time only: a page is cooled that need not be. Four sums side by side, since a multiplication
// takes the processor longer than the next load.
std::uint64_t fingerprint(const std::byte* page) {
  constexpr std::uint64_t kOdd = 0x9e37'79b9'7f4a'7c15;
  std::uint64_t sums[4] = {1, 2, 3, 4};
  for (std::size_t at = 0; at < kPageBytes; at += sizeof sums) {
    std::uint64_t words[4];
    std::memcpy(words, page + at, sizeof words);
    for (int i = 0; i < 4; ++i) sums[i] = (sums[i] ^ words[i]) * kOdd;
  }
  return sums[0] ^ std::rotl(sums[1], 16) ^ std::rotl(sums[2], 32) ^ std::rotl(sums[3], 48);
}
// The canary: with this definition the first page that a message may write, by a fault or as a hot
// one, has no pre-image. Nobody notices before something dies. It is never set but to show that the
// tests do; see tests/README.md.
#ifdef PEEPER_CANARY_OMIT_PRE_IMAGE
constexpr bool kOmitFirstPreImage = true;
#else
constexpr bool kOmitFirstPreImage = false;
#endif

// --- Measuring -----------------------------------------------------------------------------------

// More than the nearest cache holds, with their copies. Of as many as can be hot a copy costs some
// twice as much, but so many would cost a worker's start milliseconds.
constexpr std::size_t kScratchPages = 12;
constexpr int kTries = 4;
std::byte* scratch = nullptr;  // for the handler below, while measuring

void open_scratch(int, siginfo_t*, void*) {
  std::memcpy(scratch + kPageBytes, scratch, kPageBytes);
  ::mprotect(scratch, kPageBytes, PROT_READ | PROT_WRITE);
}

double nanoseconds(Clock::duration time) {
  return std::chrono::duration<double, std::nano>(time).count();
}

}  // namespace

std::uint32_t measure_break_even() {
  const std::size_t bytes = 2 * kScratchPages * kPageBytes;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  PEEPER_CHECK(memory != MAP_FAILED, "no memory to measure faults in");
  scratch = static_cast<std::byte*>(memory);

  // The least of some tries: what the machine can do, not what else it was doing.
  auto copy = Clock::duration::max();
  for (int i = 0; i < kTries; ++i) {
    const auto begin = Clock::now();
    std::memcpy(scratch + bytes / 2, scratch, bytes / 2);
    copy = std::min(copy, Clock::now() - begin);
  }
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = open_scratch;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  PEEPER_CHECK(::sigaction(SIGSEGV, &action, &before) == 0, "no handler to measure faults with");
  auto fault = Clock::duration::max();
  for (int i = 0; i < kTries; ++i) {
    ::mprotect(scratch, kPageBytes, PROT_READ);
    const auto begin = Clock::now();
    *reinterpret_cast<volatile std::byte*>(scratch) = std::byte{2};
    ::mprotect(scratch, kPageBytes, PROT_READ);
    fault = std::min(fault, Clock::now() - begin);
  }
  ::sigaction(SIGSEGV, &before, nullptr);
  ::munmap(scratch, bytes);
  const double copy_ns = std::max(nanoseconds(copy) / kScratchPages, 1.0);
  return static_cast<std::uint32_t>(std::clamp(nanoseconds(fault) / copy_ns, 4.0, 1e6));
}

PageGuard::PageGuard(const segment::Segment& segment, segment::Journal& journal,
                     std::uint32_t break_even)
    : heap_(segment.heap()),
      journal_(journal),
      hot_(break_even),
      history_(heap_.size() / kPageBytes),
      writable_(heap_.size() / kPageBytes),
      opened_(heap_.size() / kPageBytes),
      reserved_pages_(segment.control().worker.heap_reserved.load(std::memory_order_relaxed) /
                      kPageBytes) {
  PEEPER_CHECK(reserved_pages_ <= heap_.size() / kPageBytes, "more heap is reserved than there is");
  const bool is_protected =
      protect(0, reserved_pages_, PROT_READ) &&
      protect(reserved_pages_, heap_.size() / kPageBytes - reserved_pages_, PROT_NONE);
  PEEPER_CHECK(is_protected, "the heap can't be protected");
  journal_.give_back(0);
}

bool PageGuard::protect(std::uint64_t first, std::uint64_t count, int protection) const {
  return count == 0 ||
         ::mprotect(heap_.data() + first * kPageBytes, count * kPageBytes, protection) == 0;
}

void PageGuard::extend(std::uint64_t bytes) {
  const std::uint64_t pages = bytes / kPageBytes;
  if (pages <= reserved_pages_) return;
  PEEPER_CHECK(protect(reserved_pages_, pages - reserved_pages_, PROT_READ),
               "the heap's new memory can't be protected");
  reserved_pages_ = pages;
}

void PageGuard::begin_message(Access access) {
  faults_ = 0;
  if (access == Access::kWrites) begin_writing();
}

namespace {

// Calls `run(first, count)` for each run of neighbours among the hot pages.
template <class OnRun>
void for_each_run(const std::vector<HotPages::Hot>& hot, OnRun run) {
  for (std::size_t i = 0; i < hot.size();) {
    std::size_t end = i + 1;
    while (end < hot.size() && hot[end].page == hot[end - 1].page + 1) ++end;
    run(hot[i].page, end - i);
    i = end;
  }
}

}  // namespace

void PageGuard::begin_writing() {
  if (!journal_.make_room(hot_.pages().size())) throw OutOfStateMemory(kNoRoom);
  wake();
  writing_ = true;
  ++message_;
  std::size_t omitted = kOmitFirstPreImage ? 1 : 0;
  for_each_run(hot_.pages(), [&](std::uint64_t first, std::uint64_t count) {
    journal_.save(first + omitted, count - omitted);
    omitted = 0;
  });
  counts_.copied += hot_.pages().size();
  open_ = true;
}

// All in between is read-only as it is.
void PageGuard::rest() {
  const auto& hot = hot_.pages();
  rests_ = true;
  if (journal_.room() > kKeptImages) journal_.give_back(kKeptImages);
  if (hot.empty()) return;
  PEEPER_CHECK(protect(hot.front().page, hot.back().page - hot.front().page + 1, PROT_READ),
               "hot pages can't be protected");
}

void PageGuard::wake() {
  if (!rests_) return;
  rests_ = false;
  for_each_run(hot_.pages(), [this](std::uint64_t first, std::uint64_t count) {
    PEEPER_CHECK(protect(first, count, PROT_READ | PROT_WRITE), "a hot page can't be opened");
  });
}

bool PageGuard::on_fault(const void* address) {
  const auto offset = reinterpret_cast<std::uintptr_t>(address) -
                      reinterpret_cast<std::uintptr_t>(heap_.data());
  const std::uint64_t page = offset / kPageBytes;
  if (!open_ || saving_) return false;
  if (offset >= heap_.size() || page >= reserved_pages_ || writable_[page] != 0) return false;
  ++counts_.faults;
  const std::uint64_t block = block_pages(faults_++);
  const std::uint64_t first = page / block * block;
  if (open(first, std::min(first + block, reserved_pages_) - first)) return true;
  // Where memory is short the page alone may still have its place.
  return lacks_room_ && (writable_[page] != 0 || open(page, 1));
}

void PageGuard::touch(const void* memory, std::size_t bytes) {
  const auto begin = reinterpret_cast<std::uintptr_t>(heap_.data());
  const auto from = std::max(reinterpret_cast<std::uintptr_t>(memory), begin);
  const auto to = std::min(reinterpret_cast<std::uintptr_t>(memory) + bytes,
                           begin + reserved_pages_ * kPageBytes);
  if (!open_ || from >= to || ::pthread_equal(thread_, ::pthread_self()) == 0) return;
  const std::uint64_t first = (from - begin) / kPageBytes;
  if (open(first, (to - begin + kPageBytes - 1) / kPageBytes - first)) return;
  PEEPER_CHECK(lacks_room_, "the kernel has no room for more mappings");
  throw OutOfStateMemory(kNoRoom);
}

// Those of the pages that aren't writable yet, in as few runs as possible.
bool PageGuard::open(std::uint64_t first, std::uint64_t count) {
  const std::uint64_t end = first + count;
  for (std::uint64_t page = first; page < end;) {
    if (writable_[page] != 0) {
      ++page;
      continue;
    }
    std::uint64_t run_end = page + 1;
    while (run_end < end && writable_[run_end] == 0) ++run_end;
    if (!open_run(page, run_end - page)) return false;
    page = run_end;
  }
  return true;
}

// Saved first, then noted down, then writable.
bool PageGuard::open_run(std::uint64_t first, std::uint64_t count) {
  const bool is_first = opened_count_ == 0 && hot_.pages().empty();
  const std::uint64_t omitted = kOmitFirstPreImage && is_first ? 1 : 0;
  lacks_room_ = !journal_.make_room(count);
  if (lacks_room_) return false;
  saving_ = true;
  segment::compiler_fence();
  journal_.save(first + omitted, count - omitted);
  saving_ = false;
  for (std::uint64_t page = first; page < first + count; ++page) writable_[page] = 1;
  opened_[opened_count_++] = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
  return protect(first, count, PROT_READ | PROT_WRITE);
}

void PageGuard::end_message() {
  if (!writing_) return;
  writing_ = false;
  open_ = false;
  const auto print_of = [this](std::uint32_t page) {
    return fingerprint(heap_.data() + std::size_t{page} * kPageBytes);
  };
  for (std::uint64_t i = 0; i < opened_count_; ++i) {
    const Run run = opened_[i];
    if (run.count == 1 && hot_.on_fault(run.first, history_[run.first], message_, print_of))
      continue;
    for (std::uint64_t page = run.first; page < std::uint64_t{run.first} + run.count; ++page)
      writable_[page] = 0;
    PEEPER_CHECK(protect(run.first, run.count, PROT_READ), "a page can't be protected again");
  }
  opened_count_ = 0;
  hot_.end_message(
      message_, print_of, [this](std::uint32_t page) -> PageHistory& { return history_[page]; },
      [this](std::uint32_t page) {
        writable_[page] = 0;
        PEEPER_CHECK(protect(page, 1, PROT_READ), "a page can't be protected again");
      });
}

}  // namespace peeper::worker
