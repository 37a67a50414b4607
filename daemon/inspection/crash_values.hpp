// Crashes and dead letters as RESP3 values, for SYS CRASHES, SYS DEADLETTERS and on_crash_exec.
// Pure: what is shown was copied from a segment and checked (history.hpp, dead_letters.hpp).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"

namespace peeper::daemon {

// The name of the server with that uid; empty: there is none any more.
using NameOfUid = std::function<std::string(std::uint64_t uid)>;

enum class Detail {
  kLine,  // for a list
  kAll,   // with the arguments and the backtrace
};

// `letter`: the number of the dead letter that came of it; 0: none, or it is gone.
[[nodiscard]] std::string crash_value(std::string_view server, const segment::Crash& crash,
                                      std::uint64_t letter, const NameOfUid& name_of,
                                      Detail detail);
[[nodiscard]] std::string letter_value(std::string_view server, const segment::Letter& letter,
                                       const NameOfUid& name_of, Detail detail);

}  // namespace peeper::daemon
