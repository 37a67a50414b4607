// An event as statsd's lines, in datagrams. Pure.
//
//   peeper.SERVER.PATH.TO.LEAF:VALUE|g   each number in the state that has changed
//   peeper.SERVER.changes:N|c
//   peeper.SERVER.terminations:1|c
//
// Source: https://github.com/statsd/statsd/blob/master/docs/metric_types.md
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "keeper/event.hpp"

namespace peeper::keeper {

// A datagram that fits the common networks' frames. One line alone is never cut: it has a datagram
// of its own.
inline constexpr std::size_t kDatagramBytes = 1'400;
// Numbers told of one event. Beyond: they are not.
inline constexpr std::size_t kMostGauges = 500;

[[nodiscard]] std::vector<std::string> statsd_datagrams(const StateEvent& event);

// A part of a name: all but letters, digits, `_` and `-` becomes `_`, and an empty one too.
[[nodiscard]] std::string statsd_word(std::string_view text);

}  // namespace peeper::keeper
