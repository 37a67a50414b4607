// Writes one RESP3 value, piece by piece, to a sink. The counterpart of encode.hpp, which walks a
// C++ value and calls this; the functions are ordinary ones, so that a server compiles little of
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "peeper/abi.hpp"

namespace peeper::detail {

// Does not own the sink. Errors: what the sink's write throws passes through.
class Encoder {
 public:
  // Types that encode() knows nothing about do not compile.
  static constexpr bool kShowsOpaque = false;

  using Write = void (*)(void* context, const char* data, std::size_t size);

  Encoder(void* context, Write write) noexcept : context_(context), write_(write) {}

  void null();
  void boolean(bool value);
  void integer(std::int64_t value);
  void unsigned_integer(std::uint64_t value);  // a big number beyond 64 bits signed
  void number(double value);
  void text(std::string_view bytes);
  void status(std::string_view line);
  void error(std::string_view line);
  void raw(std::string_view encoded);

  // Begin a value that `size` elements (pairs, for a map) follow.
  void array(std::size_t size);
  void set(std::size_t size);
  void map(std::size_t size);

  // The same for containers, of which a picture may be cut short: return how many elements to
  // write, before cut_array() or cut_map() with the number of those left out.
  std::size_t begin_array(std::size_t size) { return array(size), size; }
  std::size_t begin_set(std::size_t size) { return set(size), size; }
  std::size_t begin_map(std::size_t size) { return map(size), size; }
  void cut_array(std::size_t) {}
  void cut_map(std::size_t) {}

  // Around every value that holds others; false: too deep, something was written in its place.
  bool enter() { return true; }
  void leave() {}

 private:
  void* context_;
  Write write_;
};

}  // namespace peeper::detail
