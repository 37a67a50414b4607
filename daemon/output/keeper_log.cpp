#include "daemon/output/keeper_log.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/launch.hpp"

namespace peeper::daemon {
namespace {

spdlog::level::level_enum level_of(char priority) {
  switch (priority) {
    case '0':
    case '1':
    case '2': return spdlog::level::critical;
    case '3': return spdlog::level::err;
    case '4': return spdlog::level::warn;
    case '7': return spdlog::level::debug;
    default: return spdlog::level::info;
  }
}

}  // namespace

KeeperLine keeper_line(std::string_view server, std::string_view written) {
  const std::string name = "server " + std::string(server) + ": ";
  const bool has_priority = written.size() >= 3 && written[0] == '<' && written[1] >= '0' &&
                            written[1] <= '7' && written[2] == '>';
  // Of a line that was too long for one piece the rest has none.
  if (!has_priority) return {spdlog::level::info, name + std::string(written)};
  return {level_of(written[1]), name + std::string(written.substr(3))};
}

KeeperLine printed_line(std::string_view server, std::string_view written) {
  return {spdlog::level::info,
          "server " + std::string(server) + " keeper| " + std::string(written)};
}

Result<KeeperLog::Ends> KeeperLog::open(LaunchSpec& spec) {
  ended();
  UniqueFd log;
  UniqueFd output;
  Ends theirs;
  if (!open_output_pipe(log, theirs.log) || !open_output_pipe(output, theirs.output))
    return system_failure("no pipes for what its keeper writes", errno);
  log_ = watch(std::move(log), keeper_line);
  output_ = watch(std::move(output), printed_line);
  spec.inherited.emplace_back(theirs.log.get(), launch::kListenLogFd);
  spec.inherited.emplace_back(theirs.output.get(), STDOUT_FILENO);
  spec.inherited.emplace_back(theirs.output.get(), STDERR_FILENO);
  return theirs;
}

std::unique_ptr<OutputPipe> KeeperLog::watch(UniqueFd reading_end, Shape shape) {
  return std::make_unique<OutputPipe>(
      loop_, sockets_, std::move(reading_end), [this, shape](CutLine line, std::uint64_t) {
        const KeeperLine shown = shape(server_, line.text);
        spdlog::log(shown.level, "{}", shown.text);
      });
}

void KeeperLog::ended() {
  for (auto* pipe : {&output_, &log_}) {
    if (!*pipe) continue;
    (*pipe)->take_all(OutputPipe::Writer::kDead);
    pipe->reset();
  }
}

}  // namespace peeper::daemon
