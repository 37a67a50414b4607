// Reads the keys of a [[server]] that are about its worker's process. Internal to load.cpp.
#pragma once

#include "daemon/config/process.hpp"
#include "daemon/config/section.hpp"

namespace peeper::config {

void read_process(Section& server, ProcessSection& process);

}  // namespace peeper::config
