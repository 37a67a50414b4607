#include "common/segment/picture.hpp"

namespace peeper::segment {

Result<void> Picture::take() {
  region_ = {};
  mark_ = look_at_commit(segment_);
  const auto unless_moved = [this](const Failure& failure) {
    return holds() ? failure : moved(segment_);
  };
  if (const auto checked = check_commit(segment_, mark_); !checked)
    return unless_moved(checked.error());
  const auto bytes = heap_with_memory(segment_);
  if (!bytes) return bytes.error();
  auto mapped = segment_.map_heap_privately(*bytes);
  if (!mapped) return mapped.error();
  region_ = *std::move(mapped);
  const std::span copy{static_cast<std::byte*>(region_.get_address()), region_.get_size()};
  if (const auto put = put_back(segment_, mark_, copy, [](std::uint64_t) {}); !put)
    return unless_moved(put.error());
  if (!holds()) return moved(segment_);
  return {};
}

}  // namespace peeper::segment
