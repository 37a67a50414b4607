// One RESP3 value: what a callback replies. Made from nearly any C++ value; see detail/encode.hpp
// for what becomes what.
//
// It holds the encoded bytes, up to 120 of them in itself, so a short reply allocates nothing. Not
// for a State: keep the data there and make Values of it.
// Size: what the worker accepts as a reply; beyond, sending it throws std::length_error.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/detail/encode.hpp"

namespace peeper {

class Value {
 public:
  // Null.
  Value() : Value(nullptr) {}

  // Not explicit: `return state.count;` is a reply.
  template <detail::NotA<Value> T>
  Value(const T& value) {
    detail::Encoder out = encoder();
    detail::encode(out, value);
  }

  // Not inline: where GCC 12 inlines the moves of a small_vector, it warns of overruns.
  Value(const Value& other);
  Value(Value&& other) noexcept;
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value();

  // Values of several kinds: Value::array({1, "two", nullptr}).
  [[nodiscard]] static Value array(std::initializer_list<Value> elements);
  // Value::map({{"count", 3}, {"name", "x"}}).
  [[nodiscard]] static Value map(std::initializer_list<std::pair<Value, Value>> pairs);
  // A simple string, for words such as OK. Line breaks become spaces.
  [[nodiscard]] static Value status(std::string_view line);
  // An error; see peeper::error().
  [[nodiscard]] static Value error(std::string_view line);

  // The encoded value, valid as long as this object is.
  [[nodiscard]] std::string_view bytes() const noexcept { return {bytes_.data(), bytes_.size()}; }

  template <class Out>
  void encode_to(Out& out) const {
    out.raw(bytes());
  }

 private:
  using Bytes = boost::container::small_vector<char, 120>;
  struct Empty {};

  explicit Value(Empty) {}
  [[nodiscard]] detail::Encoder encoder() noexcept { return {&bytes_, &append}; }
  static void append(void* bytes, const char* data, std::size_t size);

  Bytes bytes_;
};

// The caller gets "-CODE text", CODE being the first word. When that is not in capitals, ERR is put
// before it. Line breaks become spaces.
[[nodiscard]] inline Value error(std::string_view line) { return Value::error(line); }

[[nodiscard]] inline Value status(std::string_view line) { return Value::status(line); }

}  // namespace peeper
