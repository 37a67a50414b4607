// A server's heap for tests: shared memory that can be moved to another address, as between two
// starts of a worker. While it lives, containers of peeper:: allocate from it. One at a time.
#pragma once

#include <sys/mman.h>

#include <boost/interprocess/managed_external_buffer.hpp>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>

#include "common/unique_fd.hpp"
#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"

namespace peeper::test {

class TestHeap {
 public:
  explicit TestHeap(std::size_t bytes = 1 << 20)
      : bytes_(bytes), file_(::memfd_create("peeper-test-heap", MFD_CLOEXEC)) {
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) {
      throw std::runtime_error("ftruncate");
    }
    base_ = map();
    buffer_.emplace(boost::interprocess::create_only, base_, bytes_);
    current_ = this;
    host_ = {};
    host_.size = sizeof host_;
    host_.sdk_version = abi::kSdkVersion;
    host_.allocate = &allocate;
    host_.deallocate = &deallocate;
    host_.touch = &touch;
    host_.heap_is_sane = &is_sane;
    detail::attach(&host_);
  }

  TestHeap(const TestHeap&) = delete;
  TestHeap& operator=(const TestHeap&) = delete;

  ~TestHeap() {
    detail::attach(nullptr);
    current_ = nullptr;
    buffer_.reset();
    ::munmap(base_, bytes_);
  }

  // Maps the heap elsewhere; where it was, any access crashes. Returns the object's new place.
  template <class T>
  T* move(T* object) {
    const auto offset = reinterpret_cast<char*>(object) - static_cast<char*>(base_);
    void* other = map();
    buffer_.reset();
    // Not unmapped, so that nothing else comes to lie there.
    ::mprotect(base_, bytes_, PROT_NONE);
    base_ = other;
    buffer_.emplace(boost::interprocess::open_only, base_, bytes_);
    return reinterpret_cast<T*>(static_cast<char*>(base_) + offset);
  }

  // Places a T in the heap, as a worker places the State.
  template <class T>
  T* construct() {
    return ::new (detail::allocate(sizeof(T), alignof(T))) T{};
  }

  template <class T>
  void destroy(T* object) {
    std::destroy_at(object);
    detail::deallocate(object);
  }

  [[nodiscard]] std::size_t free_bytes() const { return buffer_->get_free_memory(); }
  [[nodiscard]] std::size_t allocations() const { return allocations_; }

  // What containers and callbacks are attached to; the rest of it is null until a test sets it.
  [[nodiscard]] abi::Host& host() { return host_; }

 private:
  void* map() const {
    void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (at == MAP_FAILED) throw std::runtime_error("mmap");
    return at;
  }

  static void* allocate(std::size_t bytes, std::size_t alignment) {
    ++current_->allocations_;
    void* memory = current_->buffer_->allocate_aligned(bytes, alignment, std::nothrow);
    if (memory == nullptr) throw std::bad_alloc{};
    return memory;
  }
  static void deallocate(void* memory) noexcept { current_->buffer_->deallocate(memory); }
  static void touch(const void*, std::size_t) {}
  static bool is_sane() { return current_->buffer_->check_sanity(); }

  static inline TestHeap* current_ = nullptr;
  static inline abi::Host host_{};

  std::size_t bytes_;
  UniqueFd file_;
  void* base_ = nullptr;
  std::optional<boost::interprocess::managed_external_buffer> buffer_;
  std::size_t allocations_ = 0;
};

}  // namespace peeper::test
