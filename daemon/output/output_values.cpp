#include "daemon/output/output_values.hpp"

#include "daemon/values/reply_text.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {

std::string output_value(const ServersLine& line) {
  return MapValue{}
      .text("time", time_text(line.line->at_ns))
      .text("server", line.server)
      .number_or_null("incarnation", line.line->incarnation)
      .text("stream", line.line->stream == OutputStream::kOut ? "out" : "err")
      .text("line", line.line->text)
      .boolean("partial", line.line->is_partial)
      .number("number", static_cast<std::int64_t>(line.line->number))
      .number("dropped", static_cast<std::int64_t>(line.dropped))
      .take();
}

}  // namespace peeper::daemon
