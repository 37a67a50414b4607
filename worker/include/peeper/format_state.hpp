// Shows a whole State as one RESP3 value, by reflection: what SYS GET_STATE answers.
//
// As for a reply (value.hpp), and in addition: a peeper::ptr is "-> Type" (it may lead in circles),
// a class of peeper::lives_in_heap "<Type>". A State may have gigabytes, so the picture is bounded;
// what is left out is told by a last element "... 123 more" (for a map, a key with a null).
#pragma once

#include <cstddef>
#include <string_view>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/detail/encode.hpp"

namespace peeper {

// Elements shown of one container, and of all together; a container that begins when none are left
// shows only the marker.
inline constexpr std::size_t kShownElements = 1000;
inline constexpr std::size_t kShownInAll = 10'000;
// Bytes shown of one text; the rest is told at its end.
inline constexpr std::size_t kShownTextBytes = 1024;
// Values inside of values; deeper ones are "...".
inline constexpr std::size_t kShownDepth = 32;

namespace detail {

class StateEncoder : public Encoder {
 public:
  static constexpr bool kShowsOpaque = true;

  using Encoder::Encoder;

  void text(std::string_view bytes);
  void opaque(std::string_view type);
  void pointer(std::string_view type);
  std::size_t begin_array(std::size_t size);
  std::size_t begin_set(std::size_t size);
  std::size_t begin_map(std::size_t size);
  void cut_array(std::size_t rest);
  void cut_map(std::size_t rest);
  bool enter();
  void leave() { --depth_; }

 private:
  std::size_t take(std::size_t size);

  std::size_t left_ = kShownInAll;
  std::size_t depth_ = 0;
};

}  // namespace detail

// Errors: what sink.write throws. Changes nothing.
template <class State>
void format_state(const State& state, const abi::Sink& sink) {
  detail::StateEncoder out(sink.context, sink.write);
  detail::encode(out, state);
}

}  // namespace peeper
