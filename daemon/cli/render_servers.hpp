// The table of the servers, for `peeper ls` and `peeper top`. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// From the array of maps that SUPERVISOR WHICH_CHILDREN gives: a tree, groups before what is in them.
// On a terminal it fits 80 columns: long names are cut. What is no array of maps is rendered as a
// value.
[[nodiscard]] std::string render_servers(const resp::Reply& children, Target target);

// --- Its parts -----------------------------------------------------------------------------------

enum class SortBy { kTree, kName, kCalls, kP99, kMailbox, kCrashes, kUptime };

struct ServerTable {
  std::string header;
  std::vector<std::string> lines;    // no line ends
  std::vector<std::string> servers;  // of each line; empty: a group's
};
// `columns`: what it must fit, by cutting names. Sorted other than as a tree it has no groups.
[[nodiscard]] ServerTable server_table(const resp::Reply& children, SortBy sort,
                                       std::optional<std::size_t> columns);

// "45s", "12m", "3h20m", "5d4h"
[[nodiscard]] std::string short_duration(std::uint64_t milliseconds);
// "0", "0.4", "12", "1204", "35.1k", "2.1M"
[[nodiscard]] std::string short_rate(double per_second);
// "-" for 0, "950us", "1.2ms", "35ms", "2.5s"
[[nodiscard]] std::string short_latency(std::uint64_t microseconds);

}  // namespace peeper::cli
