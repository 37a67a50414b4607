#include "daemon/config/values.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "common/limits.hpp"

namespace peeper::config {
namespace {

// A Failure too can be made of a text, so a Result of text must say which it is.
using std::chrono::milliseconds;

struct Unit {
  std::string_view text;
  std::uint64_t factor;
};

constexpr Unit kTimeUnits[] = {
    {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizeUnits[] = {{"", 1},
                               {"KiB", limits::KiB},
                               {"MiB", limits::MiB},
                               {"GiB", limits::GiB},
                               {"TiB", 1024 * limits::GiB}};

// A text taken apart into its leading digits and the rest.
struct Quantity {
  std::string_view digits;
  std::string_view unit;
};

Quantity take_apart(std::string_view text) {
  const auto end =
      std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; });
  const std::size_t digits = static_cast<std::size_t>(end - text.begin());
  return {text.substr(0, digits), text.substr(digits)};
}

// None if the product doesn't fit.
std::optional<std::uint64_t> multiply(std::string_view digits, std::uint64_t factor) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || number > UINT64_MAX / factor) return std::nullopt;
  return number * factor;
}

Failure expected(std::string_view what, std::string_view found) {
  return Failure{"expected " + std::string(what) + ", found " + in_quotes(found), 0};
}

constexpr std::string_view kADuration =
    "a duration such as \"500ms\", \"5s\", \"2m\", \"1h\" or \"1d\"";

// `others` names the words that are allowed beside a duration.
Result<milliseconds> read_duration(std::string_view text, std::string_view others) {
  const auto [digits, unit] = take_apart(text);
  const std::string what = std::string(kADuration) + std::string(others);
  if (digits.empty()) return expected(what, text);
  if (unit.empty()) {
    return Failure{expected(what, text).what + "; write \"" + std::string(digits.substr(0, 20)) +
                   "s\" for seconds", 0};
  }
  const auto* known = std::ranges::find(kTimeUnits, unit, &Unit::text);
  if (known == std::end(kTimeUnits)) return expected(what, text);
  const std::optional<std::uint64_t> count = multiply(digits, known->factor);
  if (!count || *count > static_cast<std::uint64_t>(kMostDuration.count())) {
    return expected("a duration of at most \"365d\"", text);
  }
  return milliseconds{*count};
}

// What people write for binary units, by the first letter.
std::string_view meant_unit(std::string_view unit) {
  switch (unit.front()) {
    case 'k':
    case 'K': return "KiB";
    case 'm':
    case 'M': return "MiB";
    case 'g':
    case 'G': return "GiB";
    case 't':
    case 'T': return "TiB";
    default: return "";
  }
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool consists_of(std::string_view text, std::string_view besides_letters_and_digits) {
  return std::ranges::all_of(text, [&](char c) {
    return is_letter_or_digit(c) || besides_letters_and_digits.find(c) != std::string_view::npos;
  });
}

std::string at_most(std::size_t bytes) { return "at most " + std::to_string(bytes) + " bytes"; }

bool has_control_characters(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

// What every name of a file must be, before anything is asked of the file.
std::optional<Failure> refuse_path(std::string_view what, std::string_view text,
                                   std::size_t most_bytes) {
  if (text.empty()) return Failure{"expected " + std::string(what) + ", found nothing", 0};
  if (has_control_characters(text)) {
    return Failure{expected(what, text).what + ", which has control characters", 0};
  }
  if (text.size() > most_bytes) {
    return Failure{"expected " + std::string(what) + " of " + at_most(most_bytes) + ", found " +
                   std::to_string(text.size()) + ": " + in_quotes(text), 0};
  }
  return std::nullopt;
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) { return read_duration(text, ""); }

Result<std::optional<milliseconds>> parse_timeout(std::string_view text) {
  if (text == "infinity") return std::optional<milliseconds>{};
  const Result<milliseconds> duration = read_duration(text, ", or \"infinity\"");
  if (!duration) return duration.error();
  if (duration->count() == 0) return expected("a duration longer than 0, or \"infinity\"", text);
  return std::optional<milliseconds>{*duration};
}

Result<std::optional<milliseconds>> parse_idle_time(std::string_view text) {
  if (text == "infinity") return std::optional<milliseconds>{};
  const Result<milliseconds> duration = read_duration(text, ", or \"infinity\"");
  if (!duration) return duration.error();
  return std::optional<milliseconds>{*duration};
}

Result<std::optional<milliseconds>> parse_watchdog(std::string_view text) {
  if (text == "0") return std::optional<milliseconds>{};
  const Result<milliseconds> duration = read_duration(text, ", or 0 for none");
  if (!duration) return duration.error();
  if (duration->count() == 0) return std::optional<milliseconds>{};
  return std::optional<milliseconds>{*duration};
}

Result<BusyPollLimits> parse_busy_poll(std::string_view text) {
  if (text == "auto") return kAutoBusyPoll;
  if (text == "off") return BusyPollLimits{.ns = 0, .adapts = false};
  constexpr std::string_view kWhat =
      "\"auto\", \"off\", or a time from \"1us\" to \"10ms\"";
  const auto [digits, unit] = take_apart(text);
  const bool is_time = !digits.empty() && (unit == "us" || unit == "ms");
  const auto ns = is_time ? multiply(digits, unit == "us" ? 1'000 : 1'000'000) : std::nullopt;
  if (!ns || *ns == 0 || *ns > kMostBusyPollNs) return expected(kWhat, text);
  return BusyPollLimits{.ns = *ns, .adapts = false};
}

Result<Shutdown> parse_shutdown(std::string_view text) {
  if (text == "infinity") return Shutdown{Shutdown::Kind::kInfinity, milliseconds{0}};
  if (text == "brutal_kill") return Shutdown{Shutdown::Kind::kBrutalKill, milliseconds{0}};
  const Result<milliseconds> duration = read_duration(text, ", or \"infinity\" or \"brutal_kill\"");
  if (!duration) return duration.error();
  if (duration->count() == 0) {
    return Failure{expected("a duration longer than 0", text).what +
                   "; write \"brutal_kill\" to kill at once", 0};
  }
  return Shutdown{Shutdown::Kind::kTimeout, *duration};
}

Result<RetryDelay> parse_retry_delay(std::string_view text) {
  if (text == "never") return RetryDelay{.first = std::nullopt, .most = {}};
  const std::size_t dots = text.find("..");
  const std::string_view least = text.substr(0, dots);
  const std::string_view most = dots == text.npos ? least : text.substr(dots + 2);
  const std::string_view others = ", two of them as in \"1s..5m\", or \"never\"";
  const Result<milliseconds> first = read_duration(least, others);
  if (!first) return first.error();
  const Result<milliseconds> last = read_duration(most, others);
  if (!last) return last.error();
  if (first->count() == 0) return expected("a duration longer than 0, or \"never\"", text);
  if (*last < *first) return expected("the shorter duration first, as in \"1s..5m\"", text);
  return RetryDelay{*first, *last};
}

Result<std::size_t> parse_size(std::string_view text) {
  constexpr std::string_view what =
      "a size such as \"4KiB\", \"64MiB\", \"1GiB\" or a number of bytes";
  const auto [digits, unit] = take_apart(text);
  if (digits.empty()) return expected(what, text);
  const auto* known = std::ranges::find(kSizeUnits, unit, &Unit::text);
  if (known == std::end(kSizeUnits)) {
    Failure failure = expected(what, text);
    const std::string_view meant = meant_unit(unit);
    if (!meant.empty() && digits.size() <= 20) {
      failure.what += "; write \"" + std::string(digits) + std::string(meant) + "\"";
    }
    return failure;
  }
  const std::optional<std::uint64_t> bytes = multiply(digits, known->factor);
  // The caller's bounds are far lower and its message names them.
  return bytes ? static_cast<std::size_t>(*bytes) : SIZE_MAX;
}

std::string size_text(std::size_t bytes) {
  const Unit* largest = &kSizeUnits[0];
  for (const Unit& unit : kSizeUnits) {
    if (bytes != 0 && bytes % unit.factor == 0) largest = &unit;
  }
  return std::to_string(bytes / largest->factor) + std::string(largest->text);
}

std::size_t round_up_to_page(std::size_t bytes) {
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

Result<unsigned> parse_socket_mode(std::string_view text) {
  constexpr std::string_view what = "permission bits as octal text such as \"0600\"";
  unsigned mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  const bool octal = error == std::errc{} && end == text.data() + text.size();
  if (!octal || text.size() < 3 || text.size() > 4 || mode > 0777) return expected(what, text);
  if ((mode & 0600) != 0600) {
    return Failure{expected(what, text).what + ", which bars the daemon's own user", 0};
  }
  // Connecting to a Unix socket takes the write bit.
  if ((mode & 0002) != 0) {
    return Failure{expected(what, text).what +
                   ", which lets every user of the machine command the servers; write \"0660\" to "
                   "let the socket's group in", 0};
  }
  return mode;
}

Result<MetricsPlace> parse_metrics_place(std::string_view text) {
  constexpr std::string_view what =
      "an address of this machine only such as \"127.0.0.1:9464\", or an absolute path for a Unix "
      "socket";
  MetricsPlace place;
  if (text.starts_with('/')) {
    const Result<std::filesystem::path> path = parse_socket_path(text);
    if (!path) return path.error();
    place.path = path->string();
    return place;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return expected(what, text);
  std::string_view address = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (error != std::errc{} || end != port.data() + port.size() || place.port == 0)
    return expected(what, text);
  if (address == "localhost") address = "127.0.0.1";
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  place.address = address;
  in_addr four{};
  const bool is_loopback =
      place.address == "::1" || (::inet_pton(AF_INET, place.address.c_str(), &four) == 1 &&
                                 (ntohl(four.s_addr) >> 24) == 127);
  if (!is_loopback) return expected(what, text);
  return place;
}

Result<std::string> parse_server_name(std::string_view text) {
  const std::string what = "1 to " + std::to_string(limits::kServerNameBytes) +
                           " letters, digits, '_', '.' or '-', not beginning with '.' or '-'";
  if (text.empty() || text.size() > limits::kServerNameBytes || !consists_of(text, "_.-") ||
      text.front() == '.' || text.front() == '-') {
    return expected(what, text);
  }
  return std::string(text);
}

Result<std::string> parse_instance(std::string_view text) {
  if (text.empty() || text.size() > limits::kInstanceNameBytes || !consists_of(text, "_-")) {
    return expected(
        "1 to " + std::to_string(limits::kInstanceNameBytes) + " letters, digits, '_' or '-'",
        text);
  }
  return std::string(text);
}

Result<std::filesystem::path> parse_socket_path(std::string_view text) {
  if (auto failure = refuse_path("the path of a socket", text, kSocketPathBytes)) return *failure;
  return std::filesystem::path(text);
}

Result<std::string> parse_behaviour(std::string_view text) {
  constexpr std::string_view what = "the name of a behaviour, or a path to its .so";
  if (auto failure = refuse_path(what, text, limits::kBehaviourNameBytes)) return *failure;
  return std::string(text);
}

Result<std::string> parse_program(std::string_view text) {
  if (auto failure = refuse_path("the path of a program", text, kPathBytes)) return *failure;
  return std::string(text);
}

Result<LogTo> parse_log_to(std::string_view text) {
  if (text == "stderr") return LogTo{LogTo::Kind::kStderr, {}};
  if (text == "syslog") return LogTo{LogTo::Kind::kSyslog, {}};
  constexpr std::string_view what = "\"stderr\", \"syslog\", or the absolute path of a file";
  if (auto failure = refuse_path(what, text, kPathBytes)) return *failure;
  if (text.front() != '/' || text.back() == '/') return expected(what, text);
  return LogTo{LogTo::Kind::kFile, std::filesystem::path(text)};
}

Result<std::string> parse_listener(std::string_view text) {
  constexpr std::string_view what =
      "\"log\", \"exec:PROGRAM\", \"statsd\", \"statsd:HOST:PORT\", or the name of a listener, or "
      "a path to its .so";
  if (auto failure = refuse_path(what, text, kPathBytes)) return *failure;
  if (text == "statsd") return std::string(text) + ":127.0.0.1:8125";
  if (text == "exec:") return expected(what, text);
  if (!text.starts_with("statsd:")) return std::string(text);
  const std::size_t colon = text.rfind(':');
  const std::string_view port = text.substr(colon + 1);
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool is_place = colon > std::string_view("statsd:").size() && error == std::errc{} &&
                        end == port.data() + port.size() && number != 0;
  if (!is_place) return expected(what, text);
  return std::string(text);
}

std::string in_quotes(std::string_view text, char quote) {
  constexpr std::size_t kShown = 80;
  std::string shown(1, quote);
  for (const char c : text.substr(0, kShown)) {
    const bool safe = static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
    shown += safe ? c : '?';
  }
  shown += quote;
  return text.size() > kShown ? shown + "..." : shown;
}

}  // namespace peeper::config
