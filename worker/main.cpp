// peeper-worker: runs one server's callbacks on its heap. Started by peeperd, never by hand.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "common/launch.hpp"
#include "common/segment/segment.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/crash_handler.hpp"
#include "worker/runtime/page_guard.hpp"
#include "worker/runtime/runtime.hpp"

namespace {

using namespace peeper;

struct Options {
  segment::SegmentId id;
  std::string library;
  worker::RuntimeOptions runtime;
  worker::InitArguments arguments;
};

Options parse_or_exit(int argc, char** argv) {
  Options options;
  CLI::App app{"Runs the callbacks of one server. Started by peeperd, never by hand."};
  app.add_option("--instance", options.id.instance)->required();
  app.add_option("--server", options.id.server)->required();
  app.add_option("--library", options.library, "The behaviour's shared object")->required();
  app.add_option("--incarnation", options.runtime.incarnation)->required();
  app.add_option("--retries", options.runtime.retries, "Of a message whose worker died");
  app.add_option("--dedupe-window", options.runtime.dedupe_window, "Tokens that are remembered");
  std::int64_t hibernate_after_ms = -1;
  app.add_option("--hibernate-after", hibernate_after_ms, "Milliseconds without a message");
  app.add_flag("--upgrade", options.runtime.upgrade, "A former State may be changed");
  app.add_option("--argument", options.arguments.values, "What init gets")
      ->allow_extra_args(false);
  app.add_flag("--named", options.arguments.named, "Arguments are name and value by turns");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  if (hibernate_after_ms >= 0)
    options.runtime.hibernate_after = std::chrono::milliseconds{hibernate_after_ms};
  return options;
}

// Before the segment can say it for us. No logging library: loading one would add a fourth to the
// time from a crash to the next answer.
[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "peeper-worker: %s\n", why.c_str());
  std::exit(EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
  Options options = parse_or_exit(argc, argv);
  ::prctl(PR_SET_NAME, ("w:" + options.id.server).c_str());

  auto opened = segment::Segment::open(options.id, segment::View::kWhole);
  if (!opened) refuse(opened.error().what);
  // Never destroyed, like the runtime: exit(3) in a callback must find everything in place.
  auto& segment = *new segment::Segment{*std::move(opened)};
  if (const auto claimed = segment.claim_releasably(segment::Role::kWorker); !claimed)
    refuse(claimed.error().what);
  if (const auto kept = segment.keep_to_this_process(); !kept) refuse(kept.error().what);
  segment.close_descriptor();

  segment::WorkerStatus& status = segment.control().worker;
  status.phase.store(segment::Phase::kStarting, std::memory_order_relaxed);
  status.incarnation.store(options.runtime.incarnation, std::memory_order_release);
  // From here on the crash record speaks for us.
  worker::install_crash_handler(segment, options.runtime.incarnation, launch::kBellFd);
  // At each start: a number that was disturbed is used by one worker only. Before the behaviour is
  // loaded, which may start threads.
  options.runtime.break_even = worker::measure_break_even();
  const auto behaviour = worker::load_behaviour(options.library);
  if (!behaviour) worker::die(segment::CrashKind::kRefused, behaviour.error().what);

  auto& runtime = *new worker::Runtime{segment, **behaviour, launch::kBellFd, options.runtime};
  runtime.start(options.arguments);
  ::_exit(runtime.run());
}
