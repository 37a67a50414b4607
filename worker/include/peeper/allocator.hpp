// Memory in the server's heap: what every container of peeper:: allocates from.
//
// The heap belongs to the worker, which hands it over by attach() before the first callback. There
// is one heap a process, so an allocator carries no state: containers need no argument to find it,
// and can be plain members of a State as well as locals of a callback.
// Thread: the callback thread only. Errors: std::bad_alloc when the heap is full; std::logic_error
// when this process has no heap (a unit test, a static object).
#pragma once

#include <boost/interprocess/offset_ptr.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>

namespace peeper {

namespace abi {
struct Host;
}

namespace detail {

// Null detaches: allocation throws again, and memory still held must not be freed any more.
void attach(const abi::Host* host) noexcept;

[[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment);
void deallocate(void* memory) noexcept;
void touch(const void* memory, std::size_t bytes);
[[nodiscard]] bool heap_is_sane();

// Raised when what these headers themselves add to a container in the heap changes: the layout of
// a pointer or an allocator, a default template argument, the hash of a key. A segment whose State
// has another number is refused: its bytes would mean something else.
inline constexpr std::uint32_t kContainerVersion = 1;

// A page: the segment may be mapped at any address, but always at a page's start.
inline constexpr std::size_t kMostAlignment = 4096;

}  // namespace detail

// A pointer that may live in the heap: it stores a distance, since the segment can be mapped at
// another address after a restart. What it points to must lie in the heap as well, or in the same
// object.
template <class T>
using ptr = boost::interprocess::offset_ptr<T>;

// For memory of the State that is handed to a system call to be filled. The heap's pages become
// writable when the program writes them; the kernel writes without asking and fails with EFAULT.
//
//   state.buffer.resize(4096);
//   peeper::touch(state.buffer.data(), state.buffer.size());
//   const ssize_t got = ::read(fd, state.buffer.data(), state.buffer.size());
//
// Does nothing for memory that isn't in the heap, and outside of a callback.
inline void touch(const void* memory, std::size_t bytes) { detail::touch(memory, bytes); }

// Is the allocator's own bookkeeping whole: does block follow on block, and does what is free add
// up? A write past the end of a block is noticed here, one inside of a block can't be. For audits
// and tests: it looks at each block, so it takes some ms with a million of them. It only reads, so
// a callback that gets its State const may ask as well. True where there is no heap.
[[nodiscard]] inline bool heap_is_sane() { return detail::heap_is_sane(); }

template <class T>
class allocator {
 public:
  using value_type = T;
  using pointer = ptr<T>;
  using const_pointer = ptr<const T>;
  using void_pointer = ptr<void>;
  using const_void_pointer = ptr<const void>;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;

  allocator() = default;
  template <class U>
  allocator(const allocator<U>&) noexcept {}

  [[nodiscard]] pointer allocate(size_type count) {
    static_assert(alignof(T) <= detail::kMostAlignment, "peeper: alignment beyond a page");
    if (count > std::numeric_limits<size_type>::max() / 2 / sizeof(T)) throw std::bad_alloc{};
    return pointer(static_cast<T*>(detail::allocate(count * sizeof(T), alignof(T))));
  }

  void deallocate(const pointer& memory, size_type) noexcept { detail::deallocate(memory.get()); }

  template <class U>
  friend bool operator==(const allocator&, const allocator<U>&) noexcept {
    return true;
  }
};

}  // namespace peeper
