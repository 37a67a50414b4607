#include "daemon/inspection/inspector.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/segment/death.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

namespace {

// Read at once before others have their turn.
constexpr std::size_t kTurnBytes = 256 * limits::KiB;

}  // namespace

Result<void> Inspector::start(LaunchSpec spec, OnEnd on_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_failure("no pipe for its inspector", errno);
  UniqueFd reading{ends[0]};
  const UniqueFd writing{ends[1]};
  ::fcntl(reading.get(), F_SETFL, O_NONBLOCK);
  spec.inherited.emplace_back(writing.get(), launch::kAnswerFd);
  auto child = Child::launch(loop_, spec, [this](int wait_status) { on_exit(wait_status); });
  if (!child) return child.error();
  child_ = *std::move(child);
  on_end_ = std::move(on_end);
  answer_.clear();
  is_late_ = false;
  ++*run_;
  pipe_ = std::make_unique<boost::asio::posix::stream_descriptor>(loop_, reading.release());
  wait_for_answer();
  timer_.expires_after(limit_);
  timer_.async_wait([this, run = run_, mine = *run_](boost::system::error_code error) {
    if (error || *run != mine) return;  // `this` may be gone
    is_late_ = true;
    child_->signal(SIGKILL);
  });
  return {};
}

void Inspector::cancel() {
  ++*run_;
  timer_.cancel();
  pipe_.reset();
  if (child_) Child::let_go(std::move(child_));
}

void Inspector::wait_for_answer() {
  pipe_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this, run = run_, mine = *run_](boost::system::error_code error) {
                      if (error || *run != mine) return;
                      read_answer();
                    });
}

// Until the pipe's end, or more than an answer may have; the process's end is what is waited for.
void Inspector::read_answer() {
  char bytes[64 * limits::KiB];
  for (std::size_t taken = 0; taken < kTurnBytes;) {
    const ssize_t got = ::read(pipe_->native_handle(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return wait_for_answer();
    if (got <= 0) return;
    taken += static_cast<std::size_t>(got);
    answer_.append(bytes, static_cast<std::size_t>(got));
    if (answer_.size() > limits::kInspectedBytes) return child_->signal(SIGKILL);
  }
  wait_for_answer();
}

// All that it has written is in the pipe by now, though what it has started may hold that open.
void Inspector::on_exit(int wait_status) {
  char bytes[64 * limits::KiB];
  while (answer_.size() <= limits::kInspectedBytes) {
    const ssize_t got = ::read(pipe_->native_handle(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    answer_.append(bytes, static_cast<std::size_t>(got));
  }
  const Result<std::string> answer = judge(wait_status);
  const OnEnd on_end = std::move(on_end_);
  cancel();
  answer_ = {};
  on_end(answer);
}

Result<std::string> Inspector::judge(int wait_status) const {
  if (is_late_)
    return Failure{
        "showing " + subject_ + " takes more than " + std::to_string(limit_.count()) + " ms", 0};
  if (answer_.size() > limits::kInspectedBytes)
    return Failure{subject_ + " is shown in more than " + std::to_string(limits::kInspectedBytes) +
                       " bytes",
                   0};
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == launch::kExitMoved)
    return Failure{subject_ + " changes all the while", EAGAIN};
  if (WIFSIGNALED(wait_status))
    return Failure{
        "showing " + subject_ + " crashed: " + segment::signal_name(WTERMSIG(wait_status)), 0};
  if (wait_status != 0 || !resp::is_one_value(answer_))
    return Failure{"the process that shows " + subject_ + " ended without an answer", 0};
  return answer_;
}

}  // namespace peeper::daemon
