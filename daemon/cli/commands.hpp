// What `peeper` does: asks the daemon one thing, and makes text and an exit code of the answer.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "common/client/command.hpp"
#include "common/client/options.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// Part of the outside interface: scripts rely on them.
enum ExitCode : int {
  kDone = 0,
  kServerError = 1,
  kUsage = 2,
  kNoConnection = 3,
  kTimedOut = 4,
  kCannotWrite = 5
};

struct Output {
  std::string out;  // for stdout
  std::string err;  // for stderr
  int exit_code = kDone;
};

// What stdout and stderr are.
struct Targets {
  Target out = Target::kPipe;
  Target err = Target::kPipe;
};

// The command as the daemon gets it, but for the token that the client makes.
[[nodiscard]] Command wire_command(const Options& options);

[[nodiscard]] ClientOptions client_options(const Options& options);
// Of what goes on by itself (log -f, trace, watch): with --no-retry it doesn't connect again.
[[nodiscard]] ClientOptions following_options(const Options& options);

// How long to wait for the answer: longer than the server may take, so that the daemon's own
// TIMEOUT, which says more, comes first.
[[nodiscard]] std::chrono::milliseconds waiting_time(const Options& options);

[[nodiscard]] Output output_for(const Options& options, const resp::Reply& reply, Targets targets);
// The daemon could not be asked, or did not answer.
enum class FailedWhen { kConnecting, kAsking };
[[nodiscard]] Output output_for(const Options& options, const Failure& failure, FailedWhen when,
                                Targets targets);

// Where that puts its lines: takes one or more for stdout, gives 0 or an errno. And what to print
// once it gave one: nothing if the reader has seen enough.
using Write = std::function<int(std::string_view text)>;
[[nodiscard]] Output output_for_write(int error);

// Connects, asks, waits; after a lost connection again, unless that is not wanted or not safe
// (kill). Blocks for waiting_time at most, and as long again for connecting.
[[nodiscard]] Output run(const Options& options, Targets targets);

}  // namespace peeper::cli
