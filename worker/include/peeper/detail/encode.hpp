// encode(out, value): which RESP3 value a C++ value becomes.
//
//   bool                                    boolean
//   integers, floating                      number, double
//   char, text                              text
//   enum                                    name when described, else number
//   nullptr, empty optional or pointer      null
//   optional, variant, atomic, unique_ptr   what they hold
//   chrono::duration, time_point            count of ticks
//   bitset                                  text of 0 and 1
//   sequences, pair, tuple / sets / maps    array / set / map
//   classes described by Boost.Describe     map, of the members that the description lists
//   other aggregates                        map, by the members' names
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "peeper/allocator.hpp"
#include "peeper/detail/encoder.hpp"
#include "peeper/detail/names.hpp"
#include "peeper/lives_in_heap.hpp"

namespace peeper::detail {

template <class T>
concept Text = std::is_convertible_v<const T&, std::string_view>;

template <class T>
concept Range = requires(const T& range) {
  { range.begin() == range.end() } -> std::convertible_to<bool>;
  { range.size() } -> std::convertible_to<std::size_t>;
};

template <class T>
concept MapRange = Range<T> && requires {
  typename T::mapped_type;
};

template <class T>
concept SetRange = Range<T> && !MapRange<T> && requires {
  typename T::key_type;
};

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

template <class T>
concept Duration = requires(const T& time) {
  typename T::rep;
  typename T::period;
  time.count();
};

template <class T>
concept TimePoint = requires(const T& time) {
  time.time_since_epoch().count();
};

template <class T>
concept Optional = requires(const T& optional) {
  optional.has_value();
};

template <class T>
concept Owner = requires {
  typename T::deleter_type;
};

// std::optional, peeper::unique_ptr; not peeper::ptr, which may lead in circles.
template <class T>
concept Holder = requires(const T& holder) {
  *holder;
  holder.operator->();
  static_cast<bool>(holder);
  requires Optional<T> || Owner<T>;
};

template <class T>
concept Atomic = requires(const T& atomic) {
  T::is_always_lock_free;
  atomic.load();
};

template <class T>
concept Bits = requires(const T& bits) {
  bits.to_string();
  bits.test(0);
};

template <class T>
inline constexpr bool is_reference_by_distance = false;
template <class T>
inline constexpr bool is_reference_by_distance<ptr<T>> = true;

template <class T>
inline constexpr bool is_variant = false;
template <class... Ts>
inline constexpr bool is_variant<std::variant<Ts...>> = true;

// A type that writes itself: `void encode_to(Out&) const`.
template <class T, class Out>
concept EncodesItself = requires(const T& value, Out& out) {
  value.encode_to(out);
};

template <class T>
inline constexpr bool never = false;

// For constructors that take anything but copies of their own class.
template <class T, class... Others>
concept NotA = !(std::is_same_v<T, Others> || ...);

template <class Out, class T>
void encode(Out& out, const T& value);

template <class Out, class T>
void encode_range(Out& out, const T& range) {
  if (!out.enter()) return;
  const std::size_t size = range.size();
  std::size_t left = 0;
  if constexpr (MapRange<T>) {
    left = out.begin_map(size);
  } else if constexpr (SetRange<T>) {
    left = out.begin_set(size);
  } else {
    left = out.begin_array(size);
  }
  const std::size_t shown = left;
  for (auto at = range.begin(); left > 0; ++at, --left) {
    if constexpr (MapRange<T>) {
      encode(out, at->first);
      encode(out, at->second);
    } else {
      encode(out, static_cast<const typename T::value_type&>(*at));
    }
  }
  if constexpr (MapRange<T>) {
    out.cut_map(size - shown);
  } else {
    out.cut_array(size - shown);
  }
  out.leave();
}

template <class Out, class T, std::size_t N>
void encode_c_array(Out& out, const T (&elements)[N]) {
  if constexpr (std::is_same_v<T, char>) {
    // Fixed room for text: up to the first zero, which need not be there.
    const void* end = std::memchr(elements, 0, N);
    const std::size_t size =
        end == nullptr ? N : static_cast<std::size_t>(static_cast<const char*>(end) - elements);
    out.text({elements, size});
  } else {
    if (!out.enter()) return;
    const std::size_t shown = out.begin_array(N);
    for (std::size_t i = 0; i < shown; ++i) encode(out, elements[i]);
    out.cut_array(N - shown);
    out.leave();
  }
}

template <class Out, class T, std::size_t... Indices>
void encode_members(Out& out, const T& object, std::index_sequence<Indices...>) {
  static_assert(!has_base<T>, "peeper: a struct with a base class cannot be shown: use a member");
  out.map(sizeof...(Indices));
  with_fields(object, [&out](const auto&... members) {
    ((out.text(member_name<T, Indices>), encode(out, members)), ...);
  });
}

template <class Out, class T, template <class...> class List, class... Members>
void encode_described(Out& out, const T& object, List<Members...>) {
  if (!out.enter()) return;
  out.map(sizeof...(Members));
  ((out.text(Members::name), encode(out, object.*Members::pointer)), ...);
  out.leave();
}

// Writes the fixed parts of a tuple or an aggregate: never cut, their number is in the program.
template <class Out, class T>
void encode_parts(Out& out, const T& value) {
  if (!out.enter()) return;
  if constexpr (TupleLike<T>) {
    out.array(std::tuple_size_v<T>);
    std::apply([&out](const auto&... parts) { (encode(out, parts), ...); }, value);
  } else {
    encode_members(out, value, std::make_index_sequence<field_count<T>>{});
  }
  out.leave();
}

template <class Out, class T>
void encode_number(Out& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    out.boolean(value);
  } else if constexpr (std::is_same_v<T, char>) {
    out.text({&value, 1});
  } else if constexpr (std::is_floating_point_v<T>) {
    out.number(static_cast<double>(value));
  } else if constexpr (std::is_signed_v<T>) {
    out.integer(value);
  } else {
    out.unsigned_integer(value);
  }
}

template <class Out, class T>
void encode_enum(Out& out, T value) {
  const std::string_view name = enumerator_name(value);
  if (!name.empty()) return out.text(name);
  using Number = std::underlying_type_t<T>;
  // An enum of char is a small number, too, not text.
  if constexpr (std::is_same_v<Number, char>) {
    out.integer(static_cast<Number>(value));
  } else {
    encode_number(out, static_cast<Number>(value));
  }
}

template <class Out, class T>
void encode_class(Out& out, const T& value) {
  if constexpr (is_variant<T>) {
    if (value.valueless_by_exception()) return out.null();
    std::visit([&out](const auto& held) { encode(out, held); }, value);
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    out.null();
  } else if constexpr (is_reference_by_distance<T> && Out::kShowsOpaque) {
    if (!value) return out.null();
    out.pointer(demangled(typeid(typename T::element_type)));
  } else if constexpr (Atomic<T>) {
    encode(out, value.load());
  } else if constexpr (Holder<T>) {
    if (!value) return out.null();
    encode(out, *value);
  } else if constexpr (Duration<T>) {
    encode_number(out, value.count());
  } else if constexpr (TimePoint<T>) {
    encode_number(out, value.time_since_epoch().count());
  } else if constexpr (Bits<T>) {
    out.text(value.to_string());
  } else if constexpr (Range<T>) {
    encode_range(out, value);
  } else if constexpr (Described<T>) {
    encode_described(out, value, described_members<T>{});
  } else if constexpr (TupleLike<T> || (std::is_aggregate_v<T> && !lives_in_heap<T>)) {
    encode_parts(out, value);
  } else if constexpr (Out::kShowsOpaque) {
    out.opaque(demangled(typeid(T)));
  } else {
    static_assert(never<T>,
                  "peeper: this type cannot be made a reply: give a number, text, a container, an "
                  "aggregate, or a type with `void encode_to(Out&) const`");
  }
}

template <class Out, class T>
void encode(Out& out, const T& value) {
  if constexpr (EncodesItself<T, Out>) {
    value.encode_to(out);
  } else if constexpr (std::is_null_pointer_v<T>) {
    out.null();
  } else if constexpr (std::is_arithmetic_v<T>) {
    encode_number(out, value);
  } else if constexpr (std::is_enum_v<T>) {
    encode_enum(out, value);
  } else if constexpr (std::is_array_v<T>) {
    encode_c_array(out, value);
  } else if constexpr (std::is_same_v<T, char*> || std::is_same_v<T, const char*>) {
    if (value == nullptr) return out.null();
    out.text(value);
  } else if constexpr (Text<T>) {
    out.text(value);
  } else {
    encode_class(out, value);
  }
}

}  // namespace peeper::detail
