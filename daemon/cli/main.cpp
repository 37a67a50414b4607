// The command `peeper`: one question to peeperd, one answer, or with `log -f` more and more. See
// README.md beside this file.

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/options.hpp"

namespace {

using namespace peeper;

cli::Target target_of(int fd) {
  return ::isatty(fd) == 1 ? cli::Target::kTerminal : cli::Target::kPipe;
}

// A reader that has seen enough (`peeper ls | head -1`) is no error.
int print(const cli::Output& output) {
  write_all(STDERR_FILENO, output.err);
  const int error = write_all(STDOUT_FILENO, output.out);
  if (error == 0 || error == EPIPE) return output.exit_code;
  write_all(STDERR_FILENO, system_failure("peeper: cannot write the output", error).what + "\n");
  return cli::kCannotWrite;
}

cli::Output output_of(const cli::Usage& usage) {
  if (usage.exit_code == cli::kDone) return {usage.text, "", usage.exit_code};
  return {"", usage.text, usage.exit_code};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto parsed = cli::parse_options(std::vector<std::string>(argv + (argc > 0), argv + argc));
  if (const auto* usage = std::get_if<cli::Usage>(&parsed)) return print(output_of(*usage));
  const auto& options = std::get<cli::Options>(parsed);
  const cli::Targets targets{.out = target_of(STDOUT_FILENO), .err = target_of(STDERR_FILENO)};
  return print(cli::run(options, targets));
}
