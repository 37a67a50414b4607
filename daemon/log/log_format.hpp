// How a line of peeperd's own log looks, as formatters for spdlog. Whatever bytes a message has, it
// stays one line, and JSON is well-formed. Pure.
#pragma once

#include <spdlog/common.h>
#include <spdlog/formatter.h>

#include <memory>
#include <string_view>

namespace peeper::daemon {

enum class LogTime { kShown, kOmitted };

// "[2031-05-06 07:08:09.123] [peeperd] [info] message", or "message". Control characters and bytes
// that are no UTF-8 are escaped.
[[nodiscard]] std::unique_ptr<spdlog::formatter> text_log_format(LogTime time);
// {"time":"2031-05-06T07:08:09.123Z","level":"info","server":"counter","message":"…"}
// `server` only where there is one; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::unique_ptr<spdlog::formatter> json_log_format();
// "<6>" and so on before each line, as systemd's journal takes them (sd-daemon(3)).
[[nodiscard]] std::unique_ptr<spdlog::formatter> with_priority(
    std::unique_ptr<spdlog::formatter> format);

// LOG_INFO and so on, as syslog(3) numbers them.
[[nodiscard]] int priority_of(spdlog::level::level_enum level);

// Whom a message is about: those about a server begin with "server NAME", a trace's lines with
// "*DBG* NAME". Empty: nobody.
[[nodiscard]] std::string_view server_in(std::string_view message);

}  // namespace peeper::daemon
