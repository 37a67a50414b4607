// The table of `peeper messages`. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// On a terminal within 80 columns, where texts allow that; into a pipe each message in one line,
// which begins with its kind and its name. What is no array of maps is rendered as a value.
[[nodiscard]] std::string render_messages(const resp::Reply& messages, std::string_view server,
                                          Target target);

}  // namespace peeper::cli
