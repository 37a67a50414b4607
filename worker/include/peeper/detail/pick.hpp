// pick(at, value): the part of a C++ value that a path names, as encode() shows it.
//
// A step of the path is a member's name, an index from 0 of a sequence, or a key of a map or a set
// as encode() writes it. What holds another value (optional, variant, atomic, unique_ptr) is passed
// through without a step. A key that is a number or text is found as the container finds it; other
// keys are looked at one by one. Only what the path names is encoded, and nothing is allocated in
// the heap.
#pragma once

#include <charconv>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "peeper/detail/encode.hpp"
#include "peeper/detail/state_encoder.hpp"

namespace peeper::detail {

// How far along its path a walk has come. What isn't there becomes the answer: an error that says
// where, and what there is instead.
class Picker {
 public:
  // `path`: steps with dots between them, "quoted" where they have dots or quotes themselves (\"
  // and \\ inside). Empty: the whole. One that is no path is answered at once, and is_answered().
  Picker(StateEncoder& out, std::string_view path);

  [[nodiscard]] StateEncoder& out() { return out_; }
  [[nodiscard]] bool is_answered() const { return is_answered_; }
  // Is this the value that the path names?
  [[nodiscard]] bool has_arrived() const { return at_ == steps_.size(); }
  [[nodiscard]] std::string_view step() const { return steps_[at_]; }
  void go_on() { ++at_; }

  // Each goes on by one step, or answers and returns none.
  [[nodiscard]] std::optional<std::size_t> member(std::span<const std::string_view> names);
  [[nodiscard]] std::optional<std::size_t> index(std::size_t size);
  // `some`: keys that are there, as many as are of use.
  void no_key(std::size_t size, const std::vector<std::string>& some);
  // `what`: "a number".
  void nothing_in(std::string_view what);

  // Goes on in a value that is encoded already, to the end of the path.
  void pick_encoded(std::string_view value);

  static constexpr std::size_t kSomeKeys = 10;

 private:
  void answer(const std::string& why);
  [[nodiscard]] std::string walked() const;

  StateEncoder& out_;
  std::vector<std::string> steps_;
  std::size_t at_ = 0;
  bool is_answered_ = false;
};

// The text of an encoded number, text, boolean or null; none of anything else.
[[nodiscard]] std::optional<std::string> scalar_text(std::string_view encoded);
// A step of a path that means this text: quoted, if it must be.
[[nodiscard]] std::string as_step(std::string_view text);

inline void append_to(void* text, const char* data, std::size_t size) {
  static_cast<std::string*>(text)->append(data, size);
}

template <class T>
std::string encoded(const T& value) {
  std::string bytes;
  StateEncoder out(&bytes, &append_to);
  encode(out, value);
  return bytes;
}

template <class Container, class Element>
const auto& key_of(const Element& element) {
  if constexpr (MapRange<Container>) {
    return element.first;
  } else {
    return element;
  }
}

// Read from digits, as its container finds it.
template <class Key>
concept NumberKey = std::is_integral_v<Key> && !std::is_same_v<Key, bool> &&
    !std::is_same_v<Key, char> && requires(const char* text, Key& key) {
  std::from_chars(text, text, key);
};

template <class T>
auto find_key(const T& range, std::string_view text) -> decltype(range.begin()) {
  using Key = typename T::key_type;
  if constexpr (Text<Key> && requires { range.find(text) == range.end(); }) {
    return range.find(text);
  } else if constexpr (NumberKey<Key> && requires(Key key) { range.find(key) == range.end(); }) {
    Key key{};
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), key);
    if (bad != std::errc{} || end != text.data() + text.size()) return range.end();
    return range.find(key);
  } else {
    auto at = range.begin();
    while (at != range.end() && scalar_text(encoded(key_of<T>(*at))) != text) ++at;
    return at;
  }
}

template <class T>
std::vector<std::string> some_keys(const T& range) {
  std::vector<std::string> keys;
  for (auto at = range.begin(); at != range.end() && keys.size() < Picker::kSomeKeys; ++at) {
    const std::string key = encoded(key_of<T>(*at));
    if (const auto text = scalar_text(key)) keys.push_back(as_step(*text));
  }
  return keys;
}

template <class T>
void pick(Picker& at, const T& value);

template <class T>
void pick_range(Picker& at, const T& range) {
  if constexpr (MapRange<T> || SetRange<T>) {
    const auto found = find_key(range, at.step());
    if (found == range.end()) return at.no_key(range.size(), some_keys(range));
    at.go_on();
    if constexpr (MapRange<T>) {
      pick(at, found->second);
    } else {
      pick(at, static_cast<const typename T::value_type&>(*found));
    }
  } else {
    const auto index = at.index(range.size());
    if (!index) return;
    auto found = range.begin();
    std::advance(found, static_cast<std::ptrdiff_t>(*index));
    pick(at, static_cast<const typename T::value_type&>(*found));
  }
}

// Goes on in the one that `index` counts to.
template <class... Parts>
void pick_nth(Picker& at, std::size_t index, const Parts&... parts) {
  std::size_t i = 0;
  ((i++ == index ? pick(at, parts) : void()), ...);
}

template <class T, std::size_t... Indices>
void pick_member(Picker& at, const T& object, std::index_sequence<Indices...>) {
  const std::vector<std::string_view> names{member_name<T, Indices>...};
  if (const auto index = at.member(names))
    with_fields(object, [&](const auto&... members) { pick_nth(at, *index, members...); });
}

template <class T, template <class...> class List, class... Members>
void pick_described(Picker& at, const T& object, List<Members...>) {
  const std::vector<std::string_view> names{Members::name...};
  if (const auto index = at.member(names)) pick_nth(at, *index, object.*Members::pointer...);
}

template <class T>
void pick_part(Picker& at, const T& value) {
  if constexpr (TupleLike<T>) {
    if (const auto index = at.index(std::tuple_size_v<T>))
      std::apply([&](const auto&... parts) { pick_nth(at, *index, parts...); }, value);
  } else {
    pick_member(at, value, std::make_index_sequence<field_count<T>>{});
  }
}

// The order of the questions is encode_class()'s.
template <class T>
void pick_in_class(Picker& at, const T& value) {
  if constexpr (is_variant<T>) {
    if (value.valueless_by_exception()) return at.nothing_in("empty");
    std::visit([&at](const auto& held) { pick(at, held); }, value);
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    at.nothing_in("empty");
  } else if constexpr (is_reference_by_distance<T>) {
    at.nothing_in("a pointer, which may lead in circles");
  } else if constexpr (Atomic<T>) {
    pick(at, value.load());
  } else if constexpr (Holder<T>) {
    if (!value) return at.nothing_in("empty");
    pick(at, *value);
  } else if constexpr (Duration<T> || TimePoint<T>) {
    at.nothing_in("a number");
  } else if constexpr (Bits<T>) {
    at.nothing_in("text");
  } else if constexpr (Range<T>) {
    pick_range(at, value);
  } else if constexpr (Described<T>) {
    pick_described(at, value, described_members<T>{});
  } else if constexpr (TupleLike<T> || (std::is_aggregate_v<T> && !lives_in_heap<T>)) {
    pick_part(at, value);
  } else {
    at.nothing_in("a class that is not shown");
  }
}

template <class T>
void pick(Picker& at, const T& value) {
  if (at.has_arrived()) return encode(at.out(), value);
  if constexpr (EncodesItself<T, StateEncoder>) {
    at.pick_encoded(encoded(value));
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    at.nothing_in(std::is_same_v<T, char> ? "text" : "a number");
  } else if constexpr (std::is_array_v<T> &&
                       !std::is_same_v<std::remove_cv_t<std::remove_extent_t<T>>, char>) {
    if (const auto index = at.index(std::extent_v<T>)) pick(at, value[*index]);
  } else if constexpr (std::is_class_v<T> && !Text<T>) {
    pick_in_class(at, value);
  } else {
    at.nothing_in("text");
  }
}

}  // namespace peeper::detail
