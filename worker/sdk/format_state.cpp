#include "peeper/detail/state_encoder.hpp"

#include <algorithm>
#include <string>

namespace peeper::detail {

namespace {

std::string more(std::size_t rest) { return "... " + std::to_string(rest) + " more"; }

// What is announced: the elements shown and, if any are left out, the marker.
std::size_t announced(std::size_t shown, std::size_t size) {
  return shown + (shown < size ? 1 : 0);
}

}  // namespace

void StateEncoder::text(std::string_view bytes) {
  if (bytes.size() <= kShownTextBytes) return Encoder::text(bytes);
  std::string shown(bytes.substr(0, kShownTextBytes));
  shown += more(bytes.size() - kShownTextBytes) + " bytes";
  Encoder::text(shown);
}

void StateEncoder::opaque(std::string_view type) { Encoder::text("<" + std::string(type) + ">"); }

void StateEncoder::pointer(std::string_view type) { Encoder::text("-> " + std::string(type)); }

// How many of `size` elements fit into what may still be shown.
std::size_t StateEncoder::take(std::size_t size) {
  const std::size_t shown = std::min({size, kShownElements, left_});
  left_ -= shown;
  return shown;
}

std::size_t StateEncoder::begin_array(std::size_t size) {
  const std::size_t shown = take(size);
  array(announced(shown, size));
  return shown;
}

std::size_t StateEncoder::begin_set(std::size_t size) {
  const std::size_t shown = take(size);
  set(announced(shown, size));
  return shown;
}

std::size_t StateEncoder::begin_map(std::size_t size) {
  const std::size_t shown = take(size);
  map(announced(shown, size));
  return shown;
}

void StateEncoder::cut_array(std::size_t rest) {
  if (rest > 0) Encoder::text(more(rest));
}

void StateEncoder::cut_map(std::size_t rest) {
  if (rest == 0) return;
  Encoder::text(more(rest));
  null();
}

bool StateEncoder::enter() {
  if (depth_ == kShownDepth) {
    Encoder::text("...");
    return false;
  }
  ++depth_;
  return true;
}

}  // namespace peeper::detail
