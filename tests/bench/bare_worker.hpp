// A worker without its process: segment, transaction, page guard and heap as the runtime has them,
// with the SDK's containers attached to that heap. So that what is measured is the state's memory
// and nothing of sockets, rings and other processes.
//
// One at a time. Thread: main.
#pragma once

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/segment/segment.hpp"
#include "common/segment/transaction.hpp"
#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "require.hpp"
#include "worker/runtime/heap.hpp"
#include "worker/runtime/page_guard.hpp"

namespace peeper::bench {

class BareWorker {
 public:
  // A segment with an empty heap.
  explicit BareWorker(std::uint64_t state_bytes)
      : keeper_(made(state_bytes)), break_even_(worker::measure_break_even()) {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGSEGV, &action, &before_);
    current_ = this;
    peeper::detail::attach(&kHost);
    map(break_even_);
    transact([&] { heap().format(); });
  }
  BareWorker(const BareWorker&) = delete;
  BareWorker& operator=(const BareWorker&) = delete;
  ~BareWorker() {
    peeper::detail::attach(nullptr);
    current_ = nullptr;
    ::sigaction(SIGSEGV, &before_, nullptr);
    segment::remove_segment(id_);
  }

  // As a worker that starts: maps the segment anew, and knows nothing of its pages.
  void map(std::uint32_t break_even) {
    unmap();
    open();
    guard_.emplace(*segment_, transaction_->journal(), break_even);
    heap_.emplace(*segment_, *guard_);
  }
  // A mapping that nobody guards: every page is writable, nothing may be allocated.
  void map_unguarded() {
    unmap();
    open();
  }

  [[nodiscard]] worker::Heap& heap() { return *heap_; }
  [[nodiscard]] worker::PageGuard& guard() { return *guard_; }
  [[nodiscard]] segment::Transaction& transaction() { return *transaction_; }
  [[nodiscard]] segment::Segment& segment() { return *segment_; }
  // Copies of a page that cost as much as a fault, here and now.
  [[nodiscard]] std::uint32_t break_even() const { return break_even_; }

  // One message, as Runtime::handle does it: with a reply that the daemon takes at once.
  template <class Work>
  void transact(Work work) {
    transaction_->begin(segment::Channel::kMailbox, 0, 1);
    guard_->begin_message(worker::PageGuard::Access::kWrites);
    work();
    commit();
    guard_->end_message();
  }
  // The same in an unguarded mapping, with the first `pages` of the heap copied.
  template <class Work>
  void transact_by_copy(std::uint64_t pages, Work work) {
    transaction_->begin(segment::Channel::kMailbox, 0, 1);
    transaction_->journal().save(0, pages);
    work();
    commit();
  }

 private:
  static segment::Segment made(std::uint64_t state_bytes) {
    auto made = segment::Segment::open_or_create(id_, {"bench", state_bytes, 64 * 1024},
                                                 std::chrono::milliseconds{0});
    test::require(made.has_value(), made ? "" : made.error().what);
    return *std::move(made);
  }
  void open() {
    auto opened = segment::Segment::open(id_, segment::View::kWhole);
    test::require(opened.has_value(), opened ? "" : opened.error().what);
    segment_.emplace(*std::move(opened));
    transaction_.emplace(*segment_);
  }
  void unmap() {
    heap_.reset();
    guard_.reset();
    transaction_.reset();
    segment_.reset();
  }
  void commit() {
    std::byte* room = transaction_->add_reply(1, 1, 4);
    __builtin_memcpy(room, ":1\r\n", 4);
    transaction_->commit(0);
    segment_->control().replies.head.store(transaction_->reply_tail(), std::memory_order_release);
  }

  static void on_fault(int, siginfo_t* info, void*) {
    if (current_->guard_ && current_->guard_->on_fault(info->si_addr)) return;
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGSEGV, &by_default, nullptr);
  }
  static void* allocate(std::size_t bytes, std::size_t alignment) {
    return current_->heap_->allocate(bytes, alignment);
  }
  static void deallocate(void* memory) noexcept { current_->heap_->deallocate(memory); }
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

  static inline BareWorker* current_ = nullptr;
  static inline const segment::SegmentId id_{"bench" + std::to_string(::getpid()), "bare"};

  segment::Segment keeper_;  // keeps the name and the role
  std::uint32_t break_even_;
  std::optional<segment::Segment> segment_;
  std::optional<segment::Transaction> transaction_;
  std::optional<worker::PageGuard> guard_;
  std::optional<worker::Heap> heap_;
  struct sigaction before_ {};
};

}  // namespace peeper::bench
