// The lines of `peeper log`, from the maps that SYS OUTPUT and its channels give. Pure, but for the
// zone of the local time.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// "12:01:02.345 counter#3 err| text", with its line end. On a terminal, control characters of the
// text are escaped. A line of its own before it says how many were dropped.
[[nodiscard]] std::string render_log_line(const resp::Reply& line, Target target);

// Which lines were shown already: those at the turn from the past to what comes are told twice.
class SeenLines {
 public:
  // Whether the line is new; from then on it isn't.
  bool add(const resp::Reply& line);
  // What was there when the following began is not news, also of servers that had no line then.
  void begin() { began_at_ = latest_; }

 private:
  struct Last {
    std::string time;
    std::int64_t number = 0;
  };
  std::map<std::string, Last> last_;  // by server
  std::string latest_;
  std::string began_at_;
};

}  // namespace peeper::cli
