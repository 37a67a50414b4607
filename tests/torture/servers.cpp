#include "servers.hpp"

namespace peeper::torture {
namespace {

// Tokens: a client that connects again later than the others finds those it needs. The watchdog has
// nothing to find, for no callback hangs; stopped workers are stopped for longer.
constexpr std::string_view kCommon =
    "state_size = \"512MiB\"\ndedupe_window = 200000\ncallback_timeout = \"3s\"\n"
    "shutdown = \"2s\"\n";
constexpr std::string_view kNeverDown = "max_restarts = 1000000\n";
constexpr std::string_view kKeepsAll = "on_crash = \"retry\"\nretries = 1000\n";

std::string server(std::string_view name, std::string_view behaviour, std::string_view more) {
  return "[[server]]\nname = \"" + std::string(name) + "\"\nbehaviour = \"" +
         std::string(behaviour) + "\"\n" + std::string(kCommon) + std::string(more) + "\n";
}

std::string group(std::string_view name, std::string_view strategy) {
  return "[[group]]\nname = \"" + std::string(name) + "\"\nstrategy = \"" +
         std::string(strategy) + "\"\n" + std::string(kNeverDown) + "\n";
}

}  // namespace

std::string configuration() {
  const std::string never_down{kNeverDown};
  const std::string keeps_all{kKeepsAll};
  return "[daemon]\n" + never_down + "\n" + group("money", "rest_for_one") +
         group("shop", "one_for_all") +
         server(kClicks, "counter",
                "standby = 0\nmax_restarts = 5\nmax_seconds = 1\n"
                "retry_delay = \"20ms..200ms\"\n") +
         server(kVotes, "tally", never_down + keeps_all + "standby = 2\n") +
         server(kBank, "ledger", never_down + "group = \"money\"\n") +
         server(kTill, "ledger",
                "group = \"money\"\nmax_restarts = 3\nmax_seconds = 1\n"
                "retry_delay = \"20ms..200ms\"\nwhen_down = \"queue\"\n") +
         server(kStore, "kv", never_down + "group = \"shop\"\n") +
         server(kHub, "tally", never_down + keeps_all + "group = \"shop\"\n");
}

}  // namespace peeper::torture
