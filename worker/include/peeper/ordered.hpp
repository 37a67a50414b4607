// Ordered maps and sets in the server's heap: those of Boost.Container, whose documentation
// applies. With text as the key, find(), count(), contains(), erase() and so on take a
// std::string_view.
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <boost/container/map.hpp>
#include <boost/container/set.hpp>
#include <utility>

#include "peeper/string.hpp"

namespace peeper {

template <class Key, class T, class Compare = less<Key>>
using map = boost::container::map<Key, T, Compare, allocator<std::pair<const Key, T>>>;

template <class Key, class T, class Compare = less<Key>>
using multimap = boost::container::multimap<Key, T, Compare, allocator<std::pair<const Key, T>>>;

template <class Key, class Compare = less<Key>>
using set = boost::container::set<Key, Compare, allocator<Key>>;

template <class Key, class Compare = less<Key>>
using multiset = boost::container::multiset<Key, Compare, allocator<Key>>;

// Sorted vectors: small and quick to search, slow to insert into when large.
template <class Key, class T, class Compare = less<Key>>
using flat_map = boost::container::flat_map<Key, T, Compare, allocator<std::pair<Key, T>>>;

template <class Key, class Compare = less<Key>>
using flat_set = boost::container::flat_set<Key, Compare, allocator<Key>>;

}  // namespace peeper
