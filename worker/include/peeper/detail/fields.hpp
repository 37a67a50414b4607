// The members of an aggregate: how many, and a reference to each.
//
// Boost.PFR's idea, with another count: PFR 1.81 takes an array member for as many members as it
// has elements, and needs seconds to compile for an array of some thousands. Here a member is
// initialised by one pair of braces, which counts an array once. Where braces alone do not do
// (a class without default constructor), objects that convert to anything take over, as in PFR;
// behind such a member arrays are std::array, as theirs are counted by elements again.
#pragma once

#include <boost/pfr/tuple_size.hpp>
#include <boost/preprocessor/repetition/enum.hpp>
#include <boost/preprocessor/repetition/enum_params.hpp>
#include <boost/preprocessor/repetition/repeat.hpp>
#include <boost/preprocessor/repetition/repeat_from_to.hpp>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace peeper::detail {

inline constexpr std::size_t kMostFields = 64;

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

// Converts to any type, as something to copy from or to refer to.
struct AnyLvalue {
  template <class T>
  operator T&() const&;
  template <class T>
  operator T&() const&&;
};

// Converts to any type, also to one that can be neither copied nor moved.
struct AnyPrvalue {
  template <class T>
  operator T() const;
};

// Whether `T{{}, {}, ..., more...}` with Braces pairs of inner braces compiles.
template <class T, std::size_t Braces, class... More>
inline constexpr bool initialised_by = false;

#define PEEPER_DETAIL_BRACES(z, n, _) {},
#define PEEPER_DETAIL_INITIALISED_BY(z, n, _)                               \
  template <class T, class... More>                                         \
  inline constexpr bool initialised_by<T, n, More...> = requires {          \
    T{BOOST_PP_REPEAT(n, PEEPER_DETAIL_BRACES, _) std::declval<More>()...}; \
  };
BOOST_PP_REPEAT(66, PEEPER_DETAIL_INITIALISED_BY, _)  // up to one beyond kMostFields
#undef PEEPER_DETAIL_INITIALISED_BY
#undef PEEPER_DETAIL_BRACES

template <class Base, class T>
concept ProperBaseOf = std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>;

// Converts to a base class of T and to nothing else.
template <class T>
struct BaseOf {
  template <ProperBaseOf<T> Base>
  operator Base&() const&;
  template <ProperBaseOf<T> Base>
  operator Base&() const&&;
};

struct Unrelated {};

template <class T, class First>
concept BeginsWith = requires {
  T{First{}};
};

// Whether the aggregate T has a base class (which counts as its first member in braces). A first
// member that can be made of anything at all is no base.
template <class T>
inline constexpr bool has_base = BeginsWith<T, BaseOf<T>> && !BeginsWith<T, Unrelated>;

#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

template <class T, std::size_t Braces, class... More>
consteval std::size_t count_rest() {
  constexpr std::size_t known = Braces + sizeof...(More);
  if constexpr (known > kMostFields) {
    return known;
  } else if constexpr (initialised_by<T, Braces, More..., AnyLvalue>) {
    return count_rest<T, Braces, More..., AnyLvalue>();
  } else if constexpr (initialised_by<T, Braces, More..., AnyPrvalue>) {
    return count_rest<T, Braces, More..., AnyPrvalue>();
  } else {
    return known;
  }
}

template <class T, std::size_t Braces = 0>
consteval std::size_t count_by_braces() {
  if constexpr (initialised_by<T, Braces + 1>) {
    return count_by_braces<T, Braces + 1>();
  } else {
    return count_rest<T, Braces>();
  }
}

template <class T>
consteval std::size_t count_fields() {
  if constexpr (std::is_empty_v<T>) {
    return 0;
  } else if constexpr (std::is_default_constructible_v<T>) {
    return count_by_braces<T>();
  } else {
    return boost::pfr::tuple_size_v<T>;
  }
}

// At most kMostFields + 1, which means "too many".
template <class T>
inline constexpr std::size_t field_count = count_fields<std::remove_cv_t<T>>();

template <class... Ts>
struct Types {};

#define PEEPER_DETAIL_BIND(n) auto& [BOOST_PP_ENUM_PARAMS(n, m)] = object;

// Calls visitor(member...) with a reference to each member of `object`, in order of declaration,
// and returns what it returns.
template <class T, class Visitor>
constexpr decltype(auto) with_fields(T& object, Visitor&& visitor) {
  constexpr std::size_t count = field_count<T>;
  static_assert(count <= kMostFields, "peeper: a struct may have 64 members; group some of them");
  if constexpr (count == 0) {
    return std::forward<Visitor>(visitor)();
  }
#define PEEPER_DETAIL_VISIT(z, n, _)                                   \
  else if constexpr (count == n) {                                     \
    PEEPER_DETAIL_BIND(n)                                              \
    return std::forward<Visitor>(visitor)(BOOST_PP_ENUM_PARAMS(n, m)); \
  }
  BOOST_PP_REPEAT_FROM_TO(1, 65, PEEPER_DETAIL_VISIT, _)
#undef PEEPER_DETAIL_VISIT
}

// The members' types as declared, references included, as Types<...>.
template <class T>
constexpr auto types_of_fields(T& object) {
  constexpr std::size_t count = field_count<T>;
  if constexpr (count == 0) {
    return Types<>{};
  }
#define PEEPER_DETAIL_TYPE(z, n, _) decltype(m##n)
#define PEEPER_DETAIL_TYPES(z, n, _)                         \
  else if constexpr (count == n) {                           \
    PEEPER_DETAIL_BIND(n)                                    \
    return Types<BOOST_PP_ENUM(n, PEEPER_DETAIL_TYPE, _)>{}; \
  }
  BOOST_PP_REPEAT_FROM_TO(1, 65, PEEPER_DETAIL_TYPES, _)
#undef PEEPER_DETAIL_TYPES
#undef PEEPER_DETAIL_TYPE
}

#undef PEEPER_DETAIL_BIND

template <class T>
using field_types = decltype(types_of_fields(std::declval<T&>()));

}  // namespace peeper::detail
