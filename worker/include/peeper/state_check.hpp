// Refuses, at compile time, a State that reaches memory outside the server's heap.
//
// Allowed: numbers, enums, std::chrono, std::bitset, std::atomic; arrays, std::array, std::pair,
// std::tuple, std::optional, std::variant, aggregates and the containers of peeper:: of such.
// The error names the member (`&state_of.value.<member>` in the list of what was being compiled,
// with its index and type) and says what to use instead.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "peeper/detail/faults.hpp"
#include "peeper/detail/names.hpp"

namespace peeper {

namespace detail {

template <class T, class Met>
void check_type();

template <class T>
concept HoldsValues = is_heap_container<T> || is_std_atomic<T>;
template <class T>
concept PointsIntoHeap = is_heap_pointer<T>;

// The types of which a type that is looked into consists.
template <class T>
struct parts {
  using type = Types<>;
};
template <class A, class B>
struct parts<std::pair<A, B>> {
  using type = Types<A, B>;
};
template <class... Ts>
struct parts<std::tuple<Ts...>> {
  using type = Types<Ts...>;
};
template <class... Ts>
struct parts<std::variant<Ts...>> {
  using type = Types<Ts...>;
};
template <class T>
struct parts<std::optional<T>> {
  using type = Types<T>;
};
template <class T, std::size_t N>
struct parts<std::array<T, N>> {
  using type = Types<T>;
};
template <HoldsValues T>
struct parts<T> {
  using type = Types<typename T::value_type>;
};
template <PointsIntoHeap T>
struct parts<T> {
  using type = Types<typename T::element_type>;
};

// Where a type was met: the compiler shows it when the type is refused.
template <class Owner, std::size_t Index, auto Where>
struct InMember;
struct TheStateItself;
// With a reference in it, a struct that is only declared has no constant addresses, so its members
// are told by index and type.
struct Unnamed {};

template <class Met, class... Parts>
void check_parts(Types<Parts...>) {
  (check_type<std::remove_cv_t<std::remove_all_extents_t<Parts>>, Met>(), ...);
}

template <class Owner, std::size_t Index, bool kNamed, class Type>
void check_member() {
  if constexpr (kNamed) {
    check_parts<InMember<Owner, Index, member_of<Owner, Index>()>>(Types<Type>{});
  } else {
    check_parts<InMember<Owner, Index, Unnamed{}>>(Types<Type>{});
  }
}

// A function template's body is compiled once, so a type that contains itself comes to an end, and
// a type used a hundred times costs one check.
template <class Owner, class... Members, std::size_t... Indices>
void check_members(Types<Members...>, std::index_sequence<Indices...>) {
  [[maybe_unused]] constexpr bool named = !(std::is_reference_v<Members> || ...);
  (check_member<Owner, Indices, named, Members>(), ...);
}

template <class T, class Met>
void check_type() {
  constexpr Fault fault = fault_of<T>();
  explain<fault, T, Met>();
  if constexpr (fault == Fault::kNone && is_plain_aggregate<T>) {
    check_members<T>(field_types<T>{}, std::make_index_sequence<field_count<T>>{});
  } else if constexpr (fault == Fault::kNone) {
    check_parts<Met>(typename parts<T>::type{});
  }
}

}  // namespace detail

// Does nothing at run time; does not compile when State reaches outside the heap.
template <class State>
void check_state() {
  detail::check_type<std::remove_cv_t<State>, detail::TheStateItself>();
}

}  // namespace peeper
