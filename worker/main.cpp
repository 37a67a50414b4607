// peeper-worker: runs one server's callbacks on its heap; or shows the State as of the last commit,
// once (--inspect) or each time it is asked (--observe); or says what the behaviour lists of its
// messages (--list-messages). Started by peeperd, never by hand.
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "common/launch.hpp"
#include "common/segment/death.hpp"
#include "common/segment/segment.hpp"
#include "common/write_all.hpp"
#include "worker/runtime/backtrace.hpp"
#include "worker/runtime/behaviour.hpp"
#include "worker/runtime/crash_handler.hpp"
#include "worker/runtime/inspector.hpp"
#include "worker/runtime/message_list.hpp"
#include "worker/runtime/observer.hpp"
#include "worker/runtime/page_guard.hpp"
#include "worker/runtime/runtime.hpp"
#include "worker/runtime/sandbox.hpp"
#include "worker/runtime/standby.hpp"

namespace {

using namespace peeper;

struct Options {
  segment::SegmentId id;
  std::string library;
  worker::RuntimeOptions runtime;
  worker::InitArguments arguments;
  segment::CoreDump core_dump = segment::CoreDump::kWithoutState;
  worker::Sandbox sandbox;
  bool standby = false;
  bool inspects = false;
  bool lists_messages = false;
  bool observes = false;
  std::string path;  // of what it shows
};

Options parse_or_exit(int argc, char** argv) {
  Options options;
  CLI::App app{"Runs the callbacks of one server. Started by peeperd, never by hand."};
  app.add_option("--instance", options.id.instance)->required();
  app.add_option("--server", options.id.server)->required();
  app.add_option("--library", options.library, "The behaviour's shared object")->required();
  auto* incarnation = app.add_option("--incarnation", options.runtime.incarnation);
  app.add_flag("--standby", options.standby, "Wait until told to be the worker")
      ->excludes(incarnation);
  app.add_flag("--inspect", options.inspects, "Show the State to the daemon, and end")
      ->excludes(incarnation);
  app.add_option("--path", options.path, "... this part of it");
  app.add_flag("--list-messages", options.lists_messages,
               "Tell the daemon which messages there are, and end")
      ->excludes(incarnation);
  app.add_flag("--observe", options.observes, "Show the State each time the daemon asks")
      ->excludes(incarnation);
  app.add_option("--retries", options.runtime.retries, "Of a message whose worker died");
  app.add_option("--dedupe-window", options.runtime.dedupe_window, "Tokens that are remembered");
  app.add_option("--busy-poll", options.runtime.busy_poll.ns,
                 "How long to look for a message before sleeping, in ns");
  bool always_polls = false;
  app.add_flag("--always-poll", always_polls, "... also where that was of no use before");
  std::int64_t hibernate_after_ms = -1;
  app.add_option("--hibernate-after", hibernate_after_ms, "Milliseconds without a message");
  app.add_flag("--upgrade", options.runtime.upgrade, "A former State may be changed");
  app.add_option("--argument", options.arguments.values, "What init gets")
      ->allow_extra_args(false);
  app.add_flag("--named", options.arguments.named, "Arguments are name and value by turns");
  bool dumps_state = false;
  app.add_flag("--core-dump-with-state", dumps_state, "Core dumps hold the segment");
  app.add_flag("--no-network", options.sandbox.no_network, "Sockets of this machine only");
  app.add_flag("--read-only", options.sandbox.read_only, "No file can be written");
  app.add_option("--writable", options.sandbox.writable, "... but this, or what is in it")
      ->allow_extra_args(false);
  app.add_flag("--seccomp", options.sandbox.no_dangerous_calls, "No dangerous system calls");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  options.runtime.busy_poll.adapts = !always_polls;
  if (dumps_state) options.core_dump = segment::CoreDump::kWithState;
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

// By default the kernel leaves mapped files out, and the segment is one (core(5)). Where that can't
// be changed the dump is as without: no reason not to serve.
void admit_shared_files_to_core_dumps() {
  constexpr unsigned kSharedFiles = 1 << 3;
  unsigned filter = 0;
  std::FILE* file = std::fopen("/proc/self/coredump_filter", "r+e");
  if (file == nullptr) return;
  if (std::fscanf(file, "%x", &filter) == 1) {
    std::rewind(file);
    std::fprintf(file, "0x%x", filter | kSharedFiles);
  }
  std::fclose(file);
}

// Only on a segment that was recovered since the last worker started, and for the daemon that
// started us: a worker whose daemon is gone may get this far before it is killed.
bool may_start(segment::WorkerStatus& status, pid_t daemon) {
  if (status.may_start.load(std::memory_order_acquire) != static_cast<std::uint32_t>(daemon))
    return false;
  status.may_start.store(0, std::memory_order_relaxed);
  return true;
}

// Whatever goes wrong is an answer: who asked must learn of it.
int inspect(const Options& options) {
  ::prctl(PR_SET_NAME, ("i:" + options.id.server).c_str());
  const auto fail = [](const Failure& failure) {
    worker::answer_failure(launch::kAnswerFd, failure.what);
    return EXIT_SUCCESS;
  };
  const auto segment = segment::Segment::open(options.id, segment::View::kLook);
  if (!segment) return fail(segment.error());
  worker::limit_inspector(segment->heap().size());
  const auto sandboxed = worker::enter_sandbox(options.sandbox, "/dev/null");
  if (!sandboxed) return fail(sandboxed.error());
  const auto behaviour = worker::load_behaviour(options.library);
  if (!behaviour) return fail(behaviour.error());
  return worker::inspect(*segment, **behaviour, options.path, launch::kAnswerFd);
}

int list_messages(const Options& options) {
  ::prctl(PR_SET_NAME, ("m:" + options.id.server).c_str());
  worker::limit_inspector(0);
  const auto sandboxed = worker::enter_sandbox(options.sandbox, "/dev/null");
  const auto behaviour = sandboxed ? worker::load_behaviour(options.library)
                                   : Result<const abi::Behaviour*>{sandboxed.error()};
  if (behaviour)
    write_all(launch::kAnswerFd, worker::message_list(**behaviour));
  else
    worker::answer_failure(launch::kAnswerFd, behaviour.error().what);
  return EXIT_SUCCESS;
}

// What goes wrong at the start goes to stderr, and so into the daemon's log.
int observe(const Options& options) {
  ::prctl(PR_SET_NAME, ("o:" + options.id.server).c_str());
  const auto segment = segment::Segment::open(options.id, segment::View::kLook);
  if (!segment) refuse(segment.error().what);
  // Of the two ways to look at a heap, both.
  worker::limit_inspector(2 * segment->heap().size());
  const auto sandboxed = worker::enter_sandbox(options.sandbox, "/dev/null");
  if (!sandboxed) refuse(sandboxed.error().what);
  const auto behaviour = worker::load_behaviour(options.library);
  if (!behaviour) refuse(behaviour.error().what);
  return worker::observe(*segment, **behaviour, launch::kObserveFd);
}

}  // namespace

int main(int argc, char** argv) {
  const pid_t daemon = ::getppid();
  Options options = parse_or_exit(argc, argv);
  if (options.inspects) ::_exit(inspect(options));
  if (options.observes) ::_exit(observe(options));
  if (options.lists_messages) ::_exit(list_messages(options));
  options.runtime.daemon = daemon;
  ::prctl(PR_SET_NAME, ((options.standby ? "s:" : "w:") + options.id.server).c_str());

  // Into a pipe the library would keep lines back, and what a worker wrote before it crashed is lost.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);

  auto opened = segment::Segment::open(options.id, segment::View::kWhole);
  if (!opened) refuse(opened.error().what);
  // Never destroyed, like the runtime: exit(3) in a callback must find everything in place.
  auto& segment = *new segment::Segment{*std::move(opened)};
  if (options.core_dump == segment::CoreDump::kWithState) admit_shared_files_to_core_dumps();
  if (const auto kept = segment.keep_to_this_process(options.core_dump); !kept)
    refuse(kept.error().what);

  // At each start: a number that was disturbed is used by one worker only. Before the behaviour is
  // loaded, which may start threads.
  options.runtime.break_even = worker::measure_break_even();
  worker::prepare_backtraces();
  // Before any code of the server's.
  const auto sandboxed = worker::enter_sandbox(options.sandbox, segment.id().path());
  // What can't be loaded is told by the worker that is started in its stead.
  Result<const abi::Behaviour*> behaviour = Failure{};
  if (options.standby) {
    if (sandboxed) behaviour = worker::load_behaviour(options.library);
    if (!behaviour) ::_exit(segment::kExitRefused);
    options.runtime.incarnation = worker::wait_as_standby(segment, launch::kLineFd);
    ::prctl(PR_SET_NAME, ("w:" + options.id.server).c_str());
    // The heap may have grown meanwhile, which a core dump that is to have the state must know.
    if (const auto kept = segment.keep_to_this_process(options.core_dump); !kept)
      refuse(kept.error().what);
  }
  if (const auto claimed = segment.claim_releasably(segment::Role::kWorker); !claimed)
    refuse(claimed.error().what);
  segment::WorkerStatus& status = segment.control().worker;
  if (!may_start(status, daemon))
    refuse("segment " + segment.id().path() + " was not recovered since its last worker's start");
  segment.close_descriptor();

  status.phase.store(segment::Phase::kStarting, std::memory_order_relaxed);
  status.incarnation.store(options.runtime.incarnation, std::memory_order_release);
  // From here on the crash record speaks for us.
  worker::install_crash_handler(segment, options.runtime.incarnation, launch::kBellFd);
  if (!sandboxed) worker::die(segment::CrashKind::kRefused, sandboxed.error().what);
  if (!behaviour) behaviour = worker::load_behaviour(options.library);
  if (!behaviour) worker::die(segment::CrashKind::kRefused, behaviour.error().what);

  auto& runtime = *new worker::Runtime{
      segment, **behaviour, {launch::kBellFd, launch::kLineFd}, options.runtime};
  runtime.start(options.arguments);
  ::_exit(runtime.run());
}
