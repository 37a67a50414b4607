// Sequences in the server's heap: the containers of Boost.Container, whose documentation applies.
#pragma once

#include <boost/container/deque.hpp>
#include <boost/container/list.hpp>
#include <boost/container/small_vector.hpp>
#include <boost/container/static_vector.hpp>
#include <boost/container/vector.hpp>
#include <cstddef>
#include <optional>

#include "peeper/allocator.hpp"

namespace peeper {

template <class T>
using vector = boost::container::vector<T, allocator<T>>;

template <class T>
using deque = boost::container::deque<T, allocator<T>>;

template <class T>
using list = boost::container::list<T, allocator<T>>;

// Up to N elements lie in the vector itself.
template <class T, std::size_t N>
using small_vector = boost::container::small_vector<T, N, allocator<T>>;

// Never more than N elements, all of them in the vector itself.
template <class T, std::size_t N>
using static_vector = boost::container::static_vector<T, N>;

using std::optional;

}  // namespace peeper
