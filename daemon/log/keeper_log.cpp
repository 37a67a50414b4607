#include "daemon/log/keeper_log.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>

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
  const bool is_own = written.size() >= 3 && written[0] == '<' && written[1] >= '0' &&
                      written[1] <= '7' && written[2] == '>';
  if (!is_own)
    return {spdlog::level::info,
            "server " + std::string(server) + " keeper| " + std::string(written)};
  return {level_of(written[1]),
          "server " + std::string(server) + ": " + std::string(written.substr(3))};
}

Result<UniqueFd> KeeperLog::open(LaunchSpec& spec) {
  UniqueFd ours;
  UniqueFd theirs;
  if (!open_output_pipe(ours, theirs))
    return system_failure("no pipe for what its keeper writes", errno);
  pipe_ = std::make_unique<OutputPipe>(
      loop_, sockets_, std::move(ours), [this](CutLine line, std::uint64_t) {
        const KeeperLine shown = keeper_line(server_, line.text);
        spdlog::log(shown.level, "{}", shown.text);
      });
  spec.inherited.emplace_back(theirs.get(), STDOUT_FILENO);
  spec.inherited.emplace_back(theirs.get(), STDERR_FILENO);
  return theirs;
}

void KeeperLog::ended() {
  if (!pipe_) return;
  pipe_->take_all(OutputPipe::Writer::kDead);
  pipe_.reset();
}

}  // namespace peeper::daemon
