// The Encoder of a picture of a State, which is bounded: see format_state.hpp.
#pragma once

#include <cstddef>
#include <string_view>

#include "peeper/detail/encoder.hpp"

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

}  // namespace peeper
