// A log file, and how the next one takes its place. Thread: any. Blocks on the file system alone;
// nothing is waited for and tried again here.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

// "/var/log/peeperd.log", 2: "/var/log/peeperd.2.log". Larger numbers are older.
[[nodiscard]] std::string older_log(const std::string& file, std::size_t number);

// For appending, and made if it isn't there. Also a FIFO or a terminal: whoever doesn't read it is
// not waited for.
[[nodiscard]] Result<UniqueFd> open_log(const std::string& file);

// Makes the next file, empty, and then gives the others their new names: `file` becomes the first
// of the older ones, of which the last goes if there are `most_older`. Failure: `file` is what it
// was, of the older ones at most the last is lost however often it is tried, and nothing is left
// over. It takes a descriptor more.
[[nodiscard]] Result<UniqueFd> rotate_log(const std::string& file, std::size_t most_older);

}  // namespace peeper::daemon
