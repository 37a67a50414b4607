#include "daemon/output/output_pipe.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

namespace peeper::daemon {
namespace {

constexpr std::size_t kReadBytes = 16 * limits::KiB;
// Until the kernel may have memory to watch a descriptor again.
constexpr std::chrono::milliseconds kNoMemoryPause{100};

}  // namespace

bool open_output_pipe(UniqueFd& ours, UniqueFd& theirs) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
  ours.reset(ends[0]);
  const UniqueFd writing{ends[1]};
  const std::string path = "/proc/self/fd/" + std::to_string(writing.get());
  theirs.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  return static_cast<bool>(theirs);
}

OutputPipe::OutputPipe(boost::asio::io_context& loop, Sockets& sockets, UniqueFd reading_end,
                       Take take)
    : sockets_(sockets), fd_(std::move(reading_end)), take_(std::move(take)), timer_(loop) {
  join(sockets_, fd_.get());
  listen();
}

void OutputPipe::listen() {
  if (fd_ && !ask_for(Sockets::kReadable)) rest(kNoMemoryPause);
}

void OutputPipe::on_ready(std::uint32_t) {
  const auto now = std::chrono::steady_clock::now();
  if (now >= renewed_at_ + limits::kOutputPause) {
    budget_ = limits::kOutputTakenCost;
    renewed_at_ = now;
  }
  if (!read(kReadBytes)) return;
  take_lines();
}

bool OutputPipe::read(std::size_t most_bytes) {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = ::read(fd_.get(), buffer.data(), std::min(buffer.size(), most_bytes));
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {
    end();
    return false;
  }
  lines_.add({buffer.data(), static_cast<std::size_t>(got)});
  return true;
}

void OutputPipe::take_lines() {
  while (budget_ > 0) {
    auto line = lines_.next();
    if (!line) return;
    budget_ -= std::min(budget_, limits::kOutputLineCost + line->text.size());
    take(*std::move(line));
  }
  rest(limits::kOutputPause);
}

void OutputPipe::take(CutLine line) { take_(std::move(line), std::exchange(dropped_, 0)); }

void OutputPipe::rest(std::chrono::milliseconds pause) {
  if (fd_) (void)ask_for(0);
  timer_.expires_after(pause);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (error || alive.expired()) return;
    budget_ = limits::kOutputTakenCost;
    renewed_at_ = std::chrono::steady_clock::now();
    take_lines();
    if (budget_ > 0) listen();
  });
}

// No more than was there at first: somebody else may go on writing for ever.
void OutputPipe::take_all(Writer writer) {
  int bytes = 0;
  if (fd_ && ::ioctl(fd_.get(), FIONREAD, &bytes) != 0) bytes = 0;
  for (auto left = static_cast<std::size_t>(bytes); left > 0; left -= std::min(left, kReadBytes))
    if (!read(left)) break;
  dropped_ += lines_.keep_last(limits::kLastOutputCost);
  while (auto line = lines_.next()) take(*std::move(line));
  if (writer == Writer::kDead) end();
}

void OutputPipe::end() {
  while (auto line = lines_.next()) take(*std::move(line));
  if (auto line = lines_.rest()) take(*std::move(line));
  timer_.cancel();
  leave();
  fd_.reset();
}

}  // namespace peeper::daemon
