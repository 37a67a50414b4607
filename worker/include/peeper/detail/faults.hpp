// What may be wrong with a type as part of a State, and what the compiler says about it.
#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>

#include "peeper/allocator.hpp"
#include "peeper/detail/fields.hpp"
#include "peeper/detail/names.hpp"
#include "peeper/lives_in_heap.hpp"

namespace peeper {

namespace detail {

enum class Fault {
  kNone,
  kReference,
  kPointer,
  kText,
  kFunction,
  kMemberPointer,
  kStdString,
  kStdView,
  kStdSequence,
  kStdMap,
  kStdUnordered,
  kStdOwner,
  kStdProcess,
  kOtherAllocator,
  kStatefulParameter,
  kPolymorphic,
  kUnion,
  kBase,
  kTooManyMembers,
  kOpaqueClass,
};

// small_vector wraps its allocator in a class derived from it.
template <class A>
inline constexpr bool is_our_allocator = std::is_base_of_v<allocator<typename A::value_type>, A>;

template <class T>
concept BoostContainer = std::is_class_v<T> && requires {
  typename T::allocator_type;
  typename T::value_type;
  requires spelled_type<T>()
  .starts_with("boost::container::") || spelled_type<T>().starts_with("boost::unordered");
};

template <class T>
consteval bool has_our_memory() {
  if constexpr (BoostContainer<T>) {
    return is_our_allocator<typename T::allocator_type> ||
           spelled_type<T>().starts_with("boost::container::static_vector<");
  } else {
    return false;
  }
}

template <class T>
inline constexpr bool is_heap_container = has_our_memory<T>();

// Comparators and hashers are part of the container: with a member they would be state as well.
template <class T>
consteval bool has_stateful_parameter() {
  bool stateful = false;
  if constexpr (requires { typename T::key_compare; }) {
    stateful = stateful || !std::is_empty_v<typename T::key_compare>;
  }
  if constexpr (requires { typename T::hasher; }) {
    stateful =
        stateful || !std::is_empty_v<typename T::hasher> || !std::is_empty_v<typename T::key_equal>;
  }
  return stateful;
}

// An owner such as peeper::unique_ptr.
template <class T>
concept OwnsByDistance = std::is_class_v<T> && requires {
  requires std::is_same_v<typename T::pointer, ptr<typename T::element_type>>;
  requires std::is_empty_v<typename T::deleter_type>;
};

// peeper::ptr and peeper::unique_ptr.
template <class T>
inline constexpr bool is_heap_pointer = false;
template <class T>
inline constexpr bool is_heap_pointer<ptr<T>> = true;
template <OwnsByDistance T>
inline constexpr bool is_heap_pointer<T> = true;

template <class T>
inline constexpr bool is_std_atomic = std::is_class_v<T>&& spelled_in_std<T>("atomic<");

// Classes of the standard library that hold other types by value; state_check looks into them.
template <class T>
consteval bool is_std_compound() {
  for (const std::string_view name : {"pair<", "tuple<", "optional<", "variant<", "array<"}) {
    if (spelled_in_std<T>(name)) return true;
  }
  return is_std_atomic<T>;
}

template <class T>
consteval bool is_std_value() {
  for (const std::string_view name : {"chrono::duration<", "chrono::time_point<", "bitset<",
                                      "complex<", "atomic_flag", "monostate", "nullopt_t"}) {
    if (spelled_in_std<T>(name)) return true;
  }
  // Days, months, years: numbers all. What refers to the time zone database is no plain data.
  return spelled_in_std<T>("chrono::") && std::is_trivially_copyable_v<T> &&
         !spelled_in_std<T>("chrono::zoned") && !spelled_in_std<T>("chrono::time_zone");
}

// Aggregates that are looked into member by member.
template <class T>
inline constexpr bool is_plain_aggregate =
    std::is_aggregate_v<T>&& std::is_class_v<T> && !lives_in_heap<T> && !is_std_compound<T>() &&
    !is_std_value<T>();

struct NamedFault {
  std::string_view name;
  Fault fault;
};

inline constexpr NamedFault kStdFaults[] = {
    {"basic_string<", Fault::kStdString},
    {"basic_string_view<", Fault::kStdView},
    {"span<", Fault::kStdView},
    {"vector<", Fault::kStdSequence},
    {"deque<", Fault::kStdSequence},
    {"list<", Fault::kStdSequence},
    {"forward_list<", Fault::kStdSequence},
    {"map<", Fault::kStdMap},
    {"multimap<", Fault::kStdMap},
    {"set<", Fault::kStdMap},
    {"multiset<", Fault::kStdMap},
    {"unordered_", Fault::kStdUnordered},
    {"unique_ptr<", Fault::kStdOwner},
    {"shared_ptr<", Fault::kStdOwner},
    {"weak_ptr<", Fault::kStdOwner},
    {"any", Fault::kStdOwner},
    {"function<", Fault::kFunction},
    {"thread", Fault::kStdProcess},
    {"jthread", Fault::kStdProcess},
    {"mutex", Fault::kStdProcess},
    {"recursive_mutex", Fault::kStdProcess},
    {"shared_mutex", Fault::kStdProcess},
    {"condition_variable", Fault::kStdProcess},
    {"future<", Fault::kStdProcess},
    {"promise<", Fault::kStdProcess},
    {"basic_fstream<", Fault::kStdProcess},
    {"basic_ifstream<", Fault::kStdProcess},
    {"basic_ofstream<", Fault::kStdProcess},
};

template <class T>
consteval Fault fault_of_class() {
  if constexpr (is_heap_container<T>) {
    return has_stateful_parameter<T>() ? Fault::kStatefulParameter : Fault::kNone;
  } else if constexpr (BoostContainer<T>) {
    return Fault::kOtherAllocator;
  } else if constexpr (is_heap_pointer<T> || is_std_compound<T>() || is_std_value<T>()) {
    return Fault::kNone;
  } else {
    for (const NamedFault& known : kStdFaults) {
      if (spelled_in_std<T>(known.name)) return known.fault;
    }
    if constexpr (std::is_polymorphic_v<T>) {
      return Fault::kPolymorphic;
    } else if constexpr (spelled_type<T>().find("lambda") != std::string_view::npos &&
                         !std::is_aggregate_v<T>) {
      return Fault::kFunction;
    } else if constexpr (!std::is_aggregate_v<T>) {
      return Fault::kOpaqueClass;
    } else if constexpr (has_base<T>) {
      return Fault::kBase;
    } else {
      return field_count<T> > kMostFields ? Fault::kTooManyMembers : Fault::kNone;
    }
  }
}

template <class T>
consteval Fault fault_of() {
  if constexpr (lives_in_heap<T>) {
    return Fault::kNone;
  } else if constexpr (std::is_reference_v<T>) {
    return Fault::kReference;
  } else if constexpr (std::is_member_pointer_v<T>) {
    return Fault::kMemberPointer;
  } else if constexpr (std::is_pointer_v<T>) {
    using Target = std::remove_cv_t<std::remove_pointer_t<T>>;
    if constexpr (std::is_function_v<Target>) return Fault::kFunction;
    return std::is_same_v<Target, char> ? Fault::kText : Fault::kPointer;
  } else if constexpr (std::is_union_v<T>) {
    return Fault::kUnion;
  } else if constexpr (std::is_class_v<T>) {
    return fault_of_class<T>();
  } else {
    return Fault::kNone;
  }
}

#define PEEPER_DETAIL_REFUSE(FAULT, TEXT) \
  static_assert(F != Fault::FAULT, "peeper: a State may reach nothing outside its heap: " TEXT)

// Fails to compile, with the remedy as the message. Type and Met (the member in which the type was
// met) are there for the compiler to show.
template <Fault F, class Type, class Met>
void explain() {
  PEEPER_DETAIL_REFUSE(kReference, "use peeper::ptr<T>, or an index, for T&");
  PEEPER_DETAIL_REFUSE(kPointer,
                       "use peeper::unique_ptr<T> (owner), peeper::ptr<T>, or an index, for T*");
  PEEPER_DETAIL_REFUSE(kText, "use peeper::string for char*");
  PEEPER_DETAIL_REFUSE(kFunction,
                       "use an enum, or a peeper::string, that says what to do for a function, "
                       "std::function or lambda: code moves from one start to the next");
  PEEPER_DETAIL_REFUSE(kMemberPointer, "use an enum, or an index, for a pointer to member");
  PEEPER_DETAIL_REFUSE(kStdString, "use peeper::string for std::string");
  PEEPER_DETAIL_REFUSE(kStdView,
                       "use peeper::string for std::string_view, peeper::vector<T> for std::span");
  PEEPER_DETAIL_REFUSE(kStdSequence,
                       "use peeper::vector, peeper::deque or peeper::list for std::vector, "
                       "std::deque or std::list");
  PEEPER_DETAIL_REFUSE(kStdMap, "use peeper::map, peeper::set, ... for std::map, std::set, ...");
  PEEPER_DETAIL_REFUSE(kStdUnordered,
                       "use peeper::unordered_map or peeper::unordered_set for "
                       "std::unordered_map or std::unordered_set");
  PEEPER_DETAIL_REFUSE(kStdOwner,
                       "use peeper::unique_ptr<T> for std::unique_ptr and std::shared_ptr, "
                       "std::variant for std::any");
  PEEPER_DETAIL_REFUSE(kStdProcess,
                       "threads, locks and files end with the process; keep them as members of "
                       "the behaviour, not of its State");
  PEEPER_DETAIL_REFUSE(kOtherAllocator,
                       "use the container's alias in peeper::, whose allocator finds the heap");
  PEEPER_DETAIL_REFUSE(kStatefulParameter, "use comparators and hashers without data members");
  PEEPER_DETAIL_REFUSE(kPolymorphic,
                       "use std::variant for virtual functions: their table lies in the program");
  PEEPER_DETAIL_REFUSE(kUnion, "use std::variant for a union");
  PEEPER_DETAIL_REFUSE(kBase, "use a member for a base class, so that each part can be checked");
  PEEPER_DETAIL_REFUSE(kTooManyMembers, "use a struct of structs for more than 64 members");
  PEEPER_DETAIL_REFUSE(kOpaqueClass,
                       "use an aggregate (no constructors, private members or virtual bases), so "
                       "that each part can be checked; or, if all of it lives in the heap, "
                       "specialise peeper::lives_in_heap<T> = true");
}

#undef PEEPER_DETAIL_REFUSE

}  // namespace detail
}  // namespace peeper
