// Names and lines for a crash's backtrace, from the files of the code, by addr2line (binutils).
//
// Blocks while addr2line reads those files, ten seconds at most in all. Without addr2line, or where
// it knows nothing, a frame stays as it is.
#pragma once

#include "common/resp/reply.hpp"

namespace peeper::cli {

// Of a map as SYS CRASHES … SHOW answers: its frames get "function" and "source" ("FILE:LINE") as
// far as they are known. Functions that were inlined become frames of their own, with "inlined". A
// frame whose file has been written since the crash gets "changed", since its names may be wrong.
void add_symbols(resp::Reply& crash);

}  // namespace peeper::cli
