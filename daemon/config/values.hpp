// Readers of single values: from the text of a configuration or of a command line to what the
// daemon works with. A Failure is the end of a sentence that begins with the key: "expected ...;
// ...". Pure, but for the page size asked of the system. Knows nothing of TOML.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "daemon/config/config.hpp"

namespace peeper::config {

// "500ms" "5s" "2m" "1h" "1d", at most kMostDuration.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
// A duration that isn't zero, or "infinity" for none.
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> parse_timeout(std::string_view text);
// As parse_timeout, but zero is allowed.
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> parse_idle_time(
    std::string_view text);
// A duration that may be zero, for none.
[[nodiscard]] Result<std::optional<std::chrono::milliseconds>> parse_watchdog(
    std::string_view text);
// A duration that isn't zero, "infinity" or "brutal_kill".
[[nodiscard]] Result<Shutdown> parse_shutdown(std::string_view text);
// "auto", "off", or a time in "us" or "ms".
[[nodiscard]] Result<BusyPollLimits> parse_busy_poll(std::string_view text);
// "1s..5m", "5s" for the same each time, or "never".
[[nodiscard]] Result<RetryDelay> parse_retry_delay(std::string_view text);

// Bytes: "65536" "64KiB" "4MiB" "1GiB" "1TiB".
[[nodiscard]] Result<std::size_t> parse_size(std::string_view text);
// The shortest text that parse_size() reads as this size.
[[nodiscard]] std::string size_text(std::size_t bytes);
[[nodiscard]] std::size_t round_up_to_page(std::size_t bytes);

// Permission bits of the socket as octal text, "0600".
[[nodiscard]] Result<unsigned> parse_socket_mode(std::string_view text);

// "127.0.0.1:9464", "[::1]:9464", "localhost:9464", or an absolute path for a Unix socket.
[[nodiscard]] Result<MetricsPlace> parse_metrics_place(std::string_view text);

// Letters, digits, '_', '.', '-'; not beginning with '.' or '-'.
[[nodiscard]] Result<std::string> parse_server_name(std::string_view text);
// Letters, digits, '_', '-'. No '.': it ends the instance in a segment's name.
[[nodiscard]] Result<std::string> parse_instance(std::string_view text);
[[nodiscard]] Result<std::filesystem::path> parse_socket_path(std::string_view text);
// A name or a path; whether there is such a file is behaviour_path.hpp's question.
[[nodiscard]] Result<std::string> parse_behaviour(std::string_view text);
[[nodiscard]] Result<std::string> parse_program(std::string_view text);
// "stderr", "syslog", or an absolute path.
[[nodiscard]] Result<LogTo> parse_log_to(std::string_view text);
// "statsd" becomes "statsd:127.0.0.1:8125"; whether there is such a file is listeners.hpp's question.
[[nodiscard]] Result<std::string> parse_listener(std::string_view text);

// In quotes, shortened, with bytes that a terminal might obey shown as '?'.
[[nodiscard]] std::string in_quotes(std::string_view text, char quote = '"');

}  // namespace peeper::config
