// Names the compiler knows: of types, of an aggregate's members, of what Boost.Describe describes.
#pragma once

#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>

#include "peeper/detail/fields.hpp"

namespace peeper::detail {

// T as this compiler spells it, without the inline namespaces of its standard library's text. For
// comparing at compile time; GCC and Clang differ in details.
template <class T>
consteval std::string_view spelled_type() {
  constexpr std::string_view function = __PRETTY_FUNCTION__;
  constexpr std::string_view marker = "T = ";
  constexpr std::size_t from = function.find(marker) + marker.size();
  constexpr std::size_t semicolon = function.find("; std::string_view", from);
  constexpr std::size_t to = semicolon == std::string_view::npos ? function.rfind(']') : semicolon;
  return function.substr(from, to - from);
}

// Whether T's name begins with "std::" + rest, inline namespaces (std::__cxx11::) left out.
template <class T>
consteval bool spelled_in_std(std::string_view rest) {
  std::string_view name = spelled_type<T>();
  if (!name.starts_with("std::")) return false;
  name.remove_prefix(5);
  if (name.starts_with("__")) name.remove_prefix(name.find("::") + 2);
  return name.starts_with(rest);
}

// The same for every compiler that follows the Itanium ABI: what a segment remembers of its State.
// Lives as long as the process.
[[nodiscard]] std::string_view demangled(const std::type_info& type);

// --- Members -------------------------------------------------------------------------------------
// A member's name is read from the compiler's spelling of a pointer to it: a technique of newer
// Boost.PFR. The object is declared only: nothing but addresses inside it are ever taken.

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-internal"
#pragma clang diagnostic ignored "-Wundefined-var-template"
#endif

template <class T>
struct Declared {
  const T value;
};

template <class T>
extern const Declared<T> state_of;

// A pointer that may be a template argument: Clang 14 takes pointers into objects only inside a
// class.
template <class Pointer>
struct Member {
  Pointer pointer;
};

template <class T, std::size_t Index>
consteval auto member_of() {
  return with_fields(state_of<T>.value, [](const auto&... members) {
    const auto pointers = std::tuple{std::addressof(members)...};
    return Member<std::tuple_element_t<Index, decltype(pointers)>>{std::get<Index>(pointers)};
  });
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

template <auto Where>
consteval const char* spelled_member() {
  return __PRETTY_FUNCTION__;
}

// The last identifier in the compiler's text: "... [Where = {&state_of.value.count}]" gives
// "count".
consteval std::string_view last_identifier(std::string_view text) {
  const auto part_of_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  while (!text.empty() && !part_of_name(text.back())) text.remove_suffix(1);
  std::size_t from = text.size();
  while (from > 0 && part_of_name(text[from - 1])) --from;
  return text.substr(from);
}

template <class T, std::size_t Index>
inline constexpr std::string_view member_name =
    last_identifier(spelled_member<member_of<std::remove_cv_t<T>, Index>()>());

// --- Described classes ---------------------------------------------------------------------------

template <class T>
concept Described = std::is_class_v<T> && boost::describe::has_describe_bases<T>::value &&
    boost::describe::has_describe_members<T>::value;

// The data members that BOOST_DESCRIBE_STRUCT or BOOST_DESCRIBE_CLASS lists, those of its bases
// first: a list of types with a `name` and a `pointer` to the member.
template <Described T>
using described_members = boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                                   boost::describe::mod_inherited>;

// --- Enumerators ---------------------------------------------------------------------------------

template <class Enum, template <class...> class List, class... Enumerators>
constexpr std::string_view find_enumerator(Enum value, List<Enumerators...>) {
  std::string_view found;
  (void)((Enumerators::value == value ? (found = Enumerators::name, true) : false) || ...);
  return found;
}

// The enumerator's name if BOOST_DESCRIBE_ENUM lists it, else empty.
template <class Enum>
constexpr std::string_view enumerator_name(Enum value) {
  if constexpr (boost::describe::has_describe_enumerators<Enum>::value) {
    return find_enumerator(value, boost::describe::describe_enumerators<Enum>{});
  } else {
    return {};
  }
}

}  // namespace peeper::detail
