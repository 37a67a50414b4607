// The command line of `peeper`, as data. Pure but for the variable PEEPER_SOCKET; nothing blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace peeper::cli {

enum class Verb {
  kCall, kCast, kSend, kList, kState, kStatus, kStatistics, kTrace, kSuspend, kResume, kUpgrade,
  kKill, kPing, kStart, kStop, kRestart, kReload, kCrashes, kDeadLetters,
  kLog, kBench, kTop, kMetrics, kWatch, kSegments, kCompletion, kShell,
  kReplaceState, kMessages
};

// How `peeper bench` asks.
struct BenchOptions {
  std::uint64_t clients = 1;
  std::uint64_t pipeline = 1;
  std::uint64_t requests = 100'000;
  bool channel = false;  // by memory shared with the worker
};

// What `peeper log` shows beside SERVER.
struct LogOptions {
  std::uint64_t lines = 100;
  bool follow = false;
};

struct Options {
  std::string socket;
  bool json = false;
  // How long to wait for the answer; none: as long as the call may take, and a second.
  std::optional<std::chrono::milliseconds> wait;
  Verb verb = Verb::kPing;
  // How long the server may take for a call, or for each step of an upgrade; none: the daemon's
  // default.
  std::optional<std::chrono::milliseconds> call_timeout;
  // After a lost connection a message is sent again with its token, and a question asked again.
  bool retry = true;
  // The message's token; empty: one is made.
  std::string token;
  BenchOptions bench;
  std::optional<std::chrono::milliseconds> delay;  // of top and watch, between two looks
  LogOptions log;
  // Of `peeper segments`: those that no server needs are removed.
  bool prune = false;
  // What follows the command: server, message, arguments; server, values; server, process, signal;
  // server, path
  // (of new code, or into a state); server, "show", number; what to do, server, number; server or
  // "*", lines.
  std::vector<std::string> words;
};

// What to print in place of running a command: help, version and completion (0), or what is wrong
// (2).
struct Usage {
  int exit_code = 0;
  std::string text;
};

// `arguments` are argv without the program's name. What follows SERVER MESSAGE is taken as it is,
// also where it looks like an option ("-5", "--json", "--").
[[nodiscard]] std::variant<Options, Usage> parse_options(const std::vector<std::string>& arguments);

}  // namespace peeper::cli
