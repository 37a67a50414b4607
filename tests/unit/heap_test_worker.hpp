// A worker without its process: segment, transaction, page guard and heap as the runtime has them,
// with the SDK's containers attached. A crash is a jump out of the n-th event of a kind; after it
// the segment is recovered as a keeper would, and mapped anew, at another address.
#pragma once

#include <csetjmp>
#include <csignal>
#include <memory>
#include <optional>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "segment_fixture.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/page_guard.hpp"

namespace peeper::test {

// Where a message may die. Allocations count twice: on the way in, with nothing done, and on the
// way out; deallocations too.
enum class Event { kFault, kAllocate, kDeallocate, kOperation };
inline constexpr std::size_t kEvents = 4;

struct Moment {
  Event event;
  int number;  // from 1; 0: at the message's end
};

class HeapWorker {
 public:
  explicit HeapWorker(std::uint64_t state_bytes = 8 << 20, std::uint32_t break_even = 8)
      : made_({"behaviour", state_bytes, 64 * 1024}), break_even_(break_even) {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, &before_);
    current_ = this;
    peeper::detail::attach(&kHost);
    start();
    transact([&] { heap().format(); });
  }
  ~HeapWorker() {
    peeper::detail::attach(nullptr);
    current_ = nullptr;
    ::sigaction(SIGSEGV, &before_, nullptr);
  }

  [[nodiscard]] worker::Heap& heap() { return *heap_; }
  [[nodiscard]] worker::PageGuard& guard() { return *guard_; }
  [[nodiscard]] const segment::Segment& keeper() const { return made_.segment; }
  // As the worker has it mapped.
  [[nodiscard]] std::span<std::byte> worker_heap() const { return segment_->heap(); }

  // One message that commits.
  template <class Work>
  void transact(Work work) {
    begin();
    work();
    transaction_->commit(0);
    guard_->end_message();
  }

  // One message that dies at that moment, or at its end if it has fewer such events. Then
  // everything is recovered and started again. Returns how many there were.
  template <class Work>
  int crash(Moment moment, Work work) {
    happened_ = 0;
    crash_at_ = moment;
    if (sigsetjmp(jump_, 1) == 0) {
      begin();
      work();
    }
    crash_at_.number = 0;
    restart();
    return happened_;
  }

  // Of kOperation, whoever writes the message tells. Only within it.
  void happens(Event event) {
    if (event == crash_at_.event && ++happened_ == crash_at_.number) siglongjmp(jump_, 1);
  }

  void restart() {
    heap_.reset();
    guard_.reset();
    transaction_.reset();
    segment_.reset();
    REQUIRE(segment::roll_back(made_.segment).has_value());
    start();
  }

 private:
  void start() {
    auto opened = segment::Segment::open(made_.id, segment::View::kWhole);
    REQUIRE(opened.has_value());
    segment_ = std::make_unique<segment::Segment>(*std::move(opened));
    transaction_.emplace(*segment_);
    guard_ = std::make_unique<worker::PageGuard>(*segment_, transaction_->journal(), break_even_);
    heap_.emplace(*segment_, *guard_);
  }
  void begin() {
    transaction_->begin(segment::Channel::kInit, 0, 1);
    guard_->begin_message(worker::PageGuard::Access::kWrites);
  }

  static void on_fault(int, siginfo_t* info, void*) {
    HeapWorker& self = *current_;
    self.happens(Event::kFault);
    if (self.guard_ != nullptr && self.guard_->on_fault(info->si_addr)) return;
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGSEGV, &by_default, nullptr);
  }

  static inline HeapWorker* current_ = nullptr;
  static void* allocate(std::size_t bytes, std::size_t alignment) {
    current_->happens(Event::kAllocate);
    void* memory = current_->heap_->allocate(bytes, alignment);
    current_->happens(Event::kAllocate);
    return memory;
  }
  static void deallocate(void* memory) noexcept {
    current_->happens(Event::kDeallocate);
    current_->heap_->deallocate(memory);
    current_->happens(Event::kDeallocate);
  }
  static void touch(const void* memory, std::size_t bytes) {
    current_->guard_->touch(memory, bytes);
  }
  static bool heap_is_sane() { return current_->heap_->is_sane(); }
  static constexpr abi::Host kHost = [] {
    abi::Host host{};
    host.size = sizeof host;
    host.sdk_version = abi::kSdkVersion;
    host.allocate = &allocate;
    host.deallocate = &deallocate;
    host.touch = &touch;
    host.heap_is_sane = &heap_is_sane;
    return host;
  }();

  TestSegment made_;  // the keeper's mapping
  std::uint32_t break_even_;
  std::unique_ptr<segment::Segment> segment_;  // the worker's
  std::optional<segment::Transaction> transaction_;
  std::unique_ptr<worker::PageGuard> guard_;
  std::optional<worker::Heap> heap_;
  struct sigaction before_ {};
  sigjmp_buf jump_{};
  int happened_ = 0;  // of the kind of event that crash_at_ names
  Moment crash_at_{};
};

}  // namespace peeper::test
