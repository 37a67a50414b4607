// Where the parts of a segment lie: a function of two sizes and of nothing else, so that a plan
// read from shared memory can be checked by making it again. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "common/segment/layout.hpp"

namespace peeper::segment {

constexpr std::uint64_t page_up(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) & ~std::uint64_t{kPageBytes - 1};
}

// That the heap's first `bytes` lie in.
constexpr std::uint64_t blocks_of(std::uint64_t bytes) {
  constexpr std::uint64_t kBlockBytes = kBlockPages * kPageBytes;
  return (bytes + kBlockBytes - 1) / kBlockBytes;
}

struct PlanSizes {
  std::uint64_t heap_bytes;     // rounded up to pages
  std::uint64_t mailbox_bytes;  // rounded up to a power of two
};

// Whoever lays out differently raises kLayoutVersion: sound_plan() knows only this one.
[[nodiscard]] Plan lay_out(PlanSizes sizes);

// The journal's images that have memory from the beginning: what a message changes at least,
// however full /dev/shm is. More is taken while a message needs it (journal.hpp).
inline constexpr std::uint64_t kJournalSetAside = 256 * 1024;
constexpr Extent journal_set_aside(const Plan& plan) {
  const std::uint64_t all = plan.journal_pages.bytes;
  return {plan.journal_pages.offset, all < kJournalSetAside ? all : kJournalSetAside};
}

// The plan with the two sizes of `found`, if `found` is that in every field; none if anybody else
// than lay_out() has written it. `found` is a copy: of shared memory it would be read twice.
[[nodiscard]] std::optional<Plan> sound_plan(const Plan& found);

}  // namespace peeper::segment
