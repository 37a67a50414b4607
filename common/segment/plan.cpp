#include "common/segment/plan.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "common/limits.hpp"

namespace peeper::segment {
namespace {

// Servers send each other less than clients send them.
constexpr std::uint64_t outbox_bytes(std::uint64_t mailbox) {
  return std::max<std::uint64_t>(mailbox / 4, limits::kLeastMailboxBytes);
}

}  // namespace

Plan lay_out(PlanSizes sizes) {
  const std::uint64_t ring = std::bit_ceil(page_up(sizes.mailbox_bytes));
  const std::uint64_t heap = page_up(sizes.heap_bytes);
  Plan plan{};
  std::uint64_t next = kRingsOffset;
  const auto take = [&next](std::uint64_t bytes) {
    return Extent{std::exchange(next, next + page_up(bytes)), bytes};
  };
  plan.mailbox = take(ring);
  plan.replies = take(ring);
  plan.outbox = take(outbox_bytes(ring));
  plan.letters = take(ring);
  plan.heap = take(heap);
  plan.journal_index = take(heap / kPageBytes * sizeof(std::uint32_t));
  plan.page_writers = take(heap / kPageBytes * sizeof(std::uint64_t));
  plan.block_writers = take(blocks_of(heap) * sizeof(std::uint64_t));
  plan.journal_pages = take(heap);
  plan.total_bytes = next;
  return plan;
}

std::optional<Plan> sound_plan(const Plan& found) {
  // What can be laid out at all, without a sum that wraps around.
  if (found.heap.bytes < limits::kLeastStateBytes || found.heap.bytes > limits::kMostStateBytes ||
      found.mailbox.bytes > limits::kMostMailboxBytes)
    return std::nullopt;
  const Plan plan = lay_out({found.heap.bytes, found.mailbox.bytes});
  static_assert(std::has_unique_object_representations_v<Plan>);
  if (std::memcmp(&plan, &found, sizeof plan) != 0) return std::nullopt;
  return plan;
}

}  // namespace peeper::segment
