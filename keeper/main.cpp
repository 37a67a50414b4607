// peeper-keeper: holds one server's segment. Started by peeperd, never by hand.
#include <spdlog/spdlog.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/launch.hpp"
#include "common/segment/segment.hpp"
#include "keeper/keeper.hpp"
#include "keeper/keeper_log.hpp"
#include "keeper/listener_thread.hpp"

namespace {

using namespace peeper;

// An earlier keeper of ours may still be dying: kill -9 of a daemon takes its children a moment
// later.
constexpr std::chrono::seconds kPatience{5};

struct Options {
  segment::SegmentId id;
  segment::Wanted wanted;
  std::vector<std::string> listeners;
  std::uint32_t listener_timeout_ms = 0;
};

Options parse_or_exit(int argc, char** argv) {
  Options options;
  CLI::App app{"Holds the segment of one server. Started by peeperd, never by hand."};
  app.add_option("--instance", options.id.instance)->required();
  app.add_option("--server", options.id.server)->required();
  uid_t owner = 0;
  auto* owned = app.add_option("--owner", owner, "The user that the segment belongs to");
  app.add_option("--behaviour", options.wanted.behaviour)->required();
  app.add_option("--state-bytes", options.wanted.state_bytes)->required();
  app.add_option("--mailbox-bytes", options.wanted.mailbox_bytes)->required();
  app.add_option("--listener", options.listeners, "log, statsd:HOST:PORT, exec:FILE, or a .so");
  app.add_option("--listener-timeout-ms", options.listener_timeout_ms, "0: none");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  if (*owned) options.id.owner = owner;
  return options;
}

// Their thread may never end, so they are not destroyed.
keeper::ListenerThread* make_listeners(const Options& options, int control) {
  if (options.listeners.empty()) return nullptr;
  keeper::log_to_daemon(launch::kListenLogFd);
  std::vector<int> ours{launch::kControlFd, launch::kLeashHoldFd, launch::kListenFd,
                        launch::kListenMarkFd, launch::kListenLogFd};
  // What a listener starts has none of them.
  for (const int fd : ours) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  std::optional<std::chrono::milliseconds> limit;
  if (options.listener_timeout_ms != 0)
    limit = std::chrono::milliseconds{options.listener_timeout_ms};
  return new keeper::ListenerThread{
      {.server = options.id.server,
       .listeners = options.listeners,
       .limit = limit,
       .stream = UniqueFd{launch::kListenFd},
       .mark = UniqueFd{launch::kListenMarkFd},
       .kept = std::move(ours),
       .on_failed = [control](std::size_t number, const std::string& why) {
         keeper::report_failed_listener(control, number, why);
       }}};
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_or_exit(argc, argv);
  ::prctl(PR_SET_NAME, ("k:" + options.id.server).c_str());
  UniqueFd control{launch::kControlFd};
  keeper::ListenerThread* listeners = make_listeners(options, control.get());
  auto segment = segment::Segment::open_or_create(options.id, options.wanted, kPatience);
  if (!segment) {
    keeper::report_failure(control.get(), segment.error());
    return EXIT_FAILURE;
  }
  if (const auto kept = segment->keep_to_this_process(); !kept)
    spdlog::warn("{}", kept.error().what);
  keeper::Keeper keeper{std::move(control), *std::move(segment), options.wanted.state_bytes,
                        listeners};
  const int status = keeper.run();
  // Nothing is taken from under a listener that may still run.
  if (listeners != nullptr) ::_exit(status);
  return status;
}
