// What a configuration file says, checked and complete: every key of the file has its field here,
// with its default. Plain values; no thread, no errors. load.hpp makes one from a file.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/busy_poll.hpp"
#include "common/limits.hpp"
#include "daemon/config/process.hpp"

namespace peeper::config {

// --- Bounds that only a configuration can meet. Beyond: the configuration is refused. ------------
// A file this long is a mistake; reading it must not take the machine's memory.
inline constexpr std::size_t kMostFileBytes = limits::MiB;
// Each server is two processes and a segment.
inline constexpr std::size_t kMostServers = 1'000;
inline constexpr std::size_t kMostGroups = 1'000;
// sun_path of sockaddr_un is 108 bytes with its final zero (unix(7)).
inline constexpr std::size_t kSocketPathBytes = 107;
inline constexpr std::size_t kPathBytes = 4'095;  // PATH_MAX less its final zero
// Everything `state` hands to init, names and values together.
inline constexpr std::size_t kInitArgumentBytes = 64 * limits::KiB;
// High enough that a test may crash a server as often as it likes.
inline constexpr std::uint32_t kMostRestarts = 1'000'000;
inline constexpr std::chrono::seconds kMostRestartWindow{std::chrono::hours{24 * 365}};
inline constexpr std::chrono::milliseconds kMostDuration{std::chrono::hours{24 * 365}};
inline constexpr std::uint32_t kMostStandbys = 8;
inline constexpr std::size_t kMostListeners = 16;
// Tokens, with their replies, lie in the server's heap.
inline constexpr std::uint32_t kMostDedupeWindow = 1'000'000;
// log_max_size: less would rotate at each line, more fits no disk.
inline constexpr std::size_t kLeastLogBytes = 4 * limits::KiB;
inline constexpr std::size_t kMostLogBytes = 1024 * limits::GiB;
// Each is renamed at each rotation.
inline constexpr std::uint32_t kMostLogFiles = 1'000;

// OTP's supervisor(3): which siblings are restarted together with the one that died.
enum class Strategy { kOneForOne, kOneForAll, kRestForOne };
// OTP's supervisor(3): after which deaths a child is restarted.
enum class Restart { kPermanent, kTransient, kTemporary };
enum class AutoShutdown { kNever, kAnySignificant, kAllSignificant };
// The fate of the message in flight when the worker died.
enum class OnCrash { kDrop, kRetry };
// What is done, one after the other, when workers keep dying with no message handled in between:
// the message in flight is dropped, then init begins anew, then the server is down.
enum class LoopStep { kDrop, kInit, kDown };
// What a sender meets while the server is down.
enum class WhenDown { kReject, kQueue };
// What a sender meets when the mailbox is full.
enum class Overflow { kBlock, kReject };
// What becomes of a call whose caller has had TIMEOUT before its turn came.
enum class LateCalls { kRun, kSkip };
// What a core dump of the worker has of the segment: neither state nor messages, or all of it.
enum class CoreDump { kWithoutState, kWithState };
// OTP's sys debug options that a server starts with.
enum class DebugOption { kTrace, kLog, kStatistics };
enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kCritical, kOff };

// How a child is ended: given `timeout` to end by itself, as long as it likes, or killed at once.
struct Shutdown {
  enum class Kind { kTimeout, kInfinity, kBrutalKill };
  Kind kind = Kind::kTimeout;
  std::chrono::milliseconds timeout{5'000};  // only with kTimeout

  bool operator==(const Shutdown&) const = default;
};

// How long a server that is down waits until it tries again: at first, and at most; it doubles in
// between. No `first`: it never tries by itself.
struct RetryDelay {
  std::optional<std::chrono::milliseconds> first{1'000};
  std::chrono::milliseconds most{300'000};

  [[nodiscard]] std::chrono::milliseconds delay(std::uint32_t tries_before) const {
    std::chrono::milliseconds delay = *first;
    for (; tries_before > 0 && delay < most; --tries_before) delay *= 2;
    return std::min(delay, most);
  }
  bool operator==(const RetryDelay&) const = default;
};

// What init gets. A string is one value. A table is name, value, name, value, ..., sorted by name
// (TOML tables have no order). Nothing configured is not named and no values.
struct InitArguments {
  bool named = false;
  std::vector<std::string> values;

  bool operator==(const InitArguments&) const = default;
};

// A line of peeperd's log is text for people, or one JSON document.
enum class LogFormat { kText, kJson };

// Where peeperd's log goes.
struct LogTo {
  enum class Kind { kStderr, kSyslog, kFile };
  Kind kind = Kind::kStderr;
  std::filesystem::path file;  // absolute; only with kFile

  bool operator==(const LogTo&) const = default;
};

// [daemon]
// Where metrics can be asked for over HTTP.
struct MetricsPlace {
  std::string address;     // of this machine's loopback, without brackets; empty: none
  std::uint16_t port = 0;
  std::string path;        // of a Unix socket; empty: none
  [[nodiscard]] bool is_none() const { return address.empty() && path.empty(); }
  bool operator==(const MetricsPlace&) const = default;
};

struct DaemonSection {
  // As written: a relative path is relative to the working directory, as on any command line. At
  // most kSocketPathBytes as written; once absolute it may still be too long to bind.
  std::filesystem::path socket = "/run/peeperd/peeperd.sock";
  unsigned socket_mode = 0600;
  std::string instance = "default";
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
  LogTo log_to;
  // Of a file: when it is as large, it becomes the first of so many older ones. 0: it only grows.
  std::size_t log_max_bytes = 10 * limits::MiB;
  std::uint32_t log_files = 5;
  Strategy strategy = Strategy::kOneForOne;  // over the servers and groups that are in no group
  std::uint32_t max_restarts = 3;
  std::chrono::seconds max_seconds{5};
  AutoShutdown auto_shutdown = AutoShutdown::kNever;
  MetricsPlace metrics;
  std::string use;  // the server that connections use before they say USE; empty: none

  Place use_place;
  Place log_to_place;

  bool operator==(const DaemonSection&) const = default;
};

// [[group]]: a supervisor over the servers and groups that name it.
struct GroupSection {
  std::string name;
  std::string group;  // the one it is in; empty: [daemon]'s
  Strategy strategy = Strategy::kOneForOne;
  std::uint32_t max_restarts = 3;
  std::chrono::seconds max_seconds{5};
  AutoShutdown auto_shutdown = AutoShutdown::kNever;
  // As a child of the one it is in.
  Restart restart = Restart::kPermanent;
  bool significant = false;

  Place place;
  Place name_place;
  Place group_place;
  Place significant_place;

  bool operator==(const GroupSection&) const = default;
};

// busy_poll = "auto". Five times what waking a process takes: a client that asks for one thing after
// the other is back sooner.
inline constexpr BusyPollLimits kAutoBusyPoll{.ns = 50'000, .adapts = true};
inline constexpr std::uint64_t kMostBusyPollNs = 10'000'000;

// [[server]]
struct ServerSection {
  std::string name;
  std::string group;  // a [[group]]; empty: [daemon]'s
  // A name, or a path if it has a '/'. A relative path is relative to the configuration file's
  // directory. behaviour_path.hpp finds the file.
  std::string behaviour;
  InitArguments state;
  std::size_t state_bytes = 64 * limits::MiB;  // whole pages
  Restart restart = Restart::kPermanent;
  bool significant = false;  // as a child of its group, or of [daemon]
  // Over keeper and worker.
  Strategy strategy = Strategy::kOneForOne;
  std::uint32_t max_restarts = 3;
  std::chrono::seconds max_seconds{5};
  AutoShutdown auto_shutdown = AutoShutdown::kNever;
  RetryDelay retry_delay;
  WhenDown when_down = WhenDown::kReject;
  LateCalls late_calls = LateCalls::kRun;
  Shutdown shutdown;
  std::uint32_t standby = 1;
  OnCrash on_crash = OnCrash::kDrop;
  std::uint32_t retries = 3;  // with OnCrash::kRetry
  // A program that is told of each crash; empty: none. A relative path is relative to the
  // configuration file's directory.
  std::string on_crash_exec;
  std::vector<LoopStep> on_crash_loop{LoopStep::kDrop, LoopStep::kDown};
  [[nodiscard]] bool does(LoopStep step) const {
    return std::ranges::find(on_crash_loop, step) != on_crash_loop.end();
  }
  // Of a message that is never dropped: as many as there can be.
  [[nodiscard]] std::uint32_t most_retries() const {
    if (!does(LoopStep::kDrop)) return limits::kEndlessRetries;
    return on_crash == OnCrash::kRetry ? retries : 0;
  }
  std::optional<std::chrono::milliseconds> callback_timeout{5'000};  // none: no watchdog
  std::optional<std::chrono::milliseconds> init_timeout;             // none: infinity
  std::optional<std::chrono::milliseconds> hibernate_after;          // none: infinity
  std::uint32_t dedupe_window = 10'000;  // tokens of safe retries that are kept; 0: none
  std::size_t mailbox_bytes = 4 * limits::MiB;                       // whole pages
  Overflow overflow = Overflow::kBlock;
  BusyPollLimits busy_poll = kAutoBusyPoll;  // of the worker and of the daemon
  CoreDump core_dump = CoreDump::kWithoutState;
  // "log", "statsd:HOST:PORT", "exec:PROGRAM", or a name or path as a behaviour's. A relative path
  // is relative to the configuration file's directory. listeners.hpp finds the files.
  std::vector<std::string> listener;
  std::optional<std::chrono::milliseconds> listener_timeout{10'000};  // of a call; none: infinity
  std::vector<DebugOption> debug;
  ProcessSection process;

  Place place;
  Place name_place;
  Place group_place;
  Place significant_place;
  Place behaviour_place;
  Place listener_place;

  bool operator==(const ServerSection&) const = default;
};

struct Config {
  std::filesystem::path file;  // as given to load()
  DaemonSection daemon;
  std::vector<GroupSection> groups;
  std::vector<ServerSection> servers;
  // Both are in the file's order. Children of one supervisor, servers and groups alike, start in
  // the order of `place`.
};

}  // namespace peeper::config
