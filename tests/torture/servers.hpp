// The six servers of the torture, and what each of them is there for.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace peeper::torture {

// counter: crashes often, has no standby, goes down, callers are told so.
inline constexpr std::string_view kClicks = "clicks";
// tally: nothing it has accepted may be dropped. Two standbys.
inline constexpr std::string_view kVotes = "votes";
// ledger, both in a group that restarts those behind. The second goes down, and callers wait.
inline constexpr std::string_view kBank = "bank";
inline constexpr std::string_view kTill = "till";
// kv and tally in a group that restarts all. The tally sends to `votes` and sets timers.
inline constexpr std::string_view kStore = "store";
inline constexpr std::string_view kHub = "hub";

inline constexpr std::array kServers{kClicks, kVotes, kBank, kTill, kStore, kHub};
inline constexpr std::size_t kStandbys = 6;

[[nodiscard]] std::string configuration();

}  // namespace peeper::torture
