// Text in the server's heap. Up to 22 bytes lie in the string itself.
//
// Made from, assigned from and compared with std::string_view and literals (explicitly made:
// `peeper::string(view)`); converts to std::string_view by itself. A std::string goes by way of
// std::string_view.
#pragma once

#include <boost/container/string.hpp>
#include <string_view>
#include <type_traits>

#include "peeper/allocator.hpp"

namespace peeper {

using string = boost::container::basic_string<char, std::char_traits<char>, allocator<char>>;

namespace detail {

template <class T>
concept TextKey = std::is_convertible_v<const T&, std::string_view>;

}  // namespace detail

// Orders keys. Texts are compared as std::string_view, so that find("literal") builds no string.
template <class T>
struct less {
  constexpr bool operator()(const T& a, const T& b) const { return a < b; }
};

template <detail::TextKey T>
struct less<T> {
  using is_transparent = void;
  constexpr bool operator()(std::string_view a, std::string_view b) const noexcept { return a < b; }
};

}  // namespace peeper
