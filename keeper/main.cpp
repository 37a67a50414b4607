// peeper-keeper: holds one server's segment. Started by peeperd, never by hand.
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>

#include "common/launch.hpp"
#include "common/segment/segment.hpp"
#include "keeper/keeper.hpp"

namespace {

using namespace peeper;

// An earlier keeper of ours may still be dying: kill -9 of a daemon takes its children a moment
// later.
constexpr std::chrono::seconds kPatience{5};

struct Options {
  segment::SegmentId id;
  segment::Wanted wanted;
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  if (*owned) options.id.owner = owner;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_or_exit(argc, argv);
  ::prctl(PR_SET_NAME, ("k:" + options.id.server).c_str());
  UniqueFd control{launch::kControlFd};
  auto segment = segment::Segment::open_or_create(options.id, options.wanted, kPatience);
  if (!segment) {
    keeper::report_failure(control.get(), segment.error());
    return EXIT_FAILURE;
  }
  if (const auto kept = segment->keep_to_this_process(); !kept)
    spdlog::warn("{}", kept.error().what);
  return keeper::Keeper{std::move(control), *std::move(segment), options.wanted.state_bytes}.run();
}
