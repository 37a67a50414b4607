// "did you mean": the known word nearest to a mistyped one. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace peeper::config {

// How many insertions, deletions, replacements and swaps of neighbours lie between two texts, where
// no part is edited twice (optimal string alignment). Bytes, not characters.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// Empty when none of the known words is near enough to be what was meant.
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       std::span<const std::string_view> known);

}  // namespace peeper::config
