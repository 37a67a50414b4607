// What an exception says, for the crash record and the caller.
#pragma once

#include <string>

namespace peeper::worker {

// "std::runtime_error: boom" of the exception being handled. Only within a catch block.
[[nodiscard]] std::string exception_text();

}  // namespace peeper::worker
