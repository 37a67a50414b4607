#include "daemon/cli/render_log.hpp"

#include <algorithm>

#include "common/utf8.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/map_fields.hpp"

namespace peeper::cli {

using resp::Reply;

std::string render_log_line(const Reply& line, Target target) {
  const std::string time = time_of_day(text_in(line, "time"));
  const std::string server = escape_control(text_in(line, "server"));
  std::string out;
  if (const std::int64_t dropped = number_in(line, "dropped"); dropped != 0)
    out += time + " " + server + ": " + std::to_string(dropped) +
           (dropped == 1 ? " line dropped\n" : " lines dropped\n");
  const std::int64_t incarnation = number_in(line, "incarnation");
  const std::string text = text_in(line, "line");
  out += time + " " + server + "#" +
         (incarnation == 0 ? "standby" : std::to_string(incarnation)) + " " +
         escape_control(text_in(line, "stream")) + "| ";
  out += target == Target::kTerminal ? escape_control(text, LineEnds::kEscape) : text;
  return out + "\n";
}

bool SeenLines::add(const Reply& line) {
  const std::string time = text_in(line, "time");
  const std::int64_t number = number_in(line, "number");
  const auto [at, is_first] = last_.try_emplace(text_in(line, "server"));
  Last& last = at->second;
  // Numbers begin anew with another peeperd, and the clock may be set: both have to be older.
  const bool was_seen = is_first ? !began_at_.empty() && time <= began_at_
                                 : number <= last.number && time <= last.time;
  if (was_seen && is_first) last_.erase(at);
  if (was_seen) return false;
  last = {time, number};
  latest_ = std::max(latest_, time);
  return true;
}

}  // namespace peeper::cli
