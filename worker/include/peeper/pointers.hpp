// Pointers for linked structures of one's own. ptr<T> (allocator.hpp) refers, unique_ptr<T> owns.
#pragma once

#include <memory>
#include <utility>

#include "peeper/allocator.hpp"

namespace peeper {

// Destroys and frees what make_unique() made. T is complete where it is called.
template <class T>
struct heap_delete {
  using pointer = ptr<T>;

  void operator()(const pointer& object) const noexcept {
    static_assert(sizeof(T) > 0, "peeper::unique_ptr: T is incomplete here");
    std::destroy_at(object.get());
    detail::deallocate(object.get());
  }
};

// Owns one T in the heap. T may be incomplete where the member is declared, so trees can be built.
template <class T>
using unique_ptr = std::unique_ptr<T, heap_delete<T>>;

template <class T, class... Arguments>
[[nodiscard]] unique_ptr<T> make_unique(Arguments&&... arguments) {
  void* memory = detail::allocate(sizeof(T), alignof(T));
  try {
    return unique_ptr<T>(ptr<T>(::new (memory) T(std::forward<Arguments>(arguments)...)));
  } catch (...) {
    detail::deallocate(memory);
    throw;
  }
}

}  // namespace peeper
