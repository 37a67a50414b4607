#include "daemon/output/output_log.hpp"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/clock.hpp"

namespace peeper::daemon {
namespace {

constexpr std::array kStreams{OutputStream::kOut, OutputStream::kErr};
constexpr std::array kTheirFds{STDOUT_FILENO, STDERR_FILENO};

}  // namespace

OutputLog::OutputLog(boost::asio::io_context& loop, Sockets& sockets, std::string server, Show show)
    : loop_(loop), sockets_(sockets), server_(std::move(server)), show_(std::move(show)) {}

Result<OutputEnds> OutputLog::make_ends(LaunchSpec& spec) {
  OutputEnds ends;
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    if (!open_output_pipe(ends.ours[i], ends.theirs[i]))
      return system_failure("cannot start " + spec.program + ": no pipe for what it writes", errno);
    // So that it may open /dev/stderr. Only root has a user to give it to.
    if (spec.credentials)
      [[maybe_unused]]
      const int ignored =
          ::fchown(ends.theirs[i].get(), spec.credentials->user, spec.credentials->group);
    spec.inherited.emplace_back(ends.theirs[i].get(), kTheirFds[i]);
  }
  return ends;
}

void OutputLog::watch(int pid, std::uint32_t incarnation, OutputEnds ends) {
  writers_.erase(pid);
  Writer& writer = writers_[pid];
  writer.incarnation = incarnation;
  for (std::size_t i = 0; i < kStreams.size(); ++i)
    writer.pipes[i] = std::make_unique<OutputPipe>(
        loop_, sockets_, std::move(ends.ours[i]),
        [this, &writer, stream = kStreams[i]](CutLine cut, std::uint64_t dropped) {
          add(writer, stream, std::move(cut), dropped);
        });
}

void OutputLog::became(int pid, std::uint32_t incarnation) {
  const auto found = writers_.find(pid);
  if (found != writers_.end()) found->second.incarnation = incarnation;
}

void OutputLog::catch_up(int pid) {
  const auto found = writers_.find(pid);
  if (found == writers_.end()) return;
  for (const auto& pipe : found->second.pipes) pipe->take_all(OutputPipe::Writer::kLives);
}

void OutputLog::ended(int pid) {
  const auto found = writers_.find(pid);
  if (found == writers_.end()) return;
  for (const auto& pipe : found->second.pipes) pipe->take_all(OutputPipe::Writer::kDead);
  writers_.erase(found);
}

// As it is: whoever writes it into a line of a log sees to it that it stays one.
void OutputLog::add(const Writer& writer, OutputStream stream, CutLine cut,
                    std::uint64_t dropped) {
  if (dropped != 0)
    spdlog::warn("server {}: its worker wrote {} more line{} than could be taken", server_,
                 dropped, dropped == 1 ? "" : "s");
  const std::string incarnation =
      writer.incarnation == 0 ? "standby" : std::to_string(writer.incarnation);
  spdlog::info("server {}#{} {}| {}", server_, incarnation,
               stream == OutputStream::kOut ? "out" : "err", cut.text);
  show_(ring_.add({.at_ns = wall_clock_ns(),
                   .incarnation = writer.incarnation,
                   .stream = stream,
                   .is_partial = cut.is_partial,
                   .dropped = dropped,
                   .text = std::move(cut.text)}));
}

}  // namespace peeper::daemon
