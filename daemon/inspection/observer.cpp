#include "daemon/inspection/observer.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/segment/death.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {
namespace {

// Read at once before others have their turn.
constexpr std::size_t kTurnBytes = 256 * limits::KiB;

}  // namespace

Result<void> Observer::start(LaunchSpec spec) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return system_failure("no socket pair for its observer", errno);
  UniqueFd ours{ends[0]};
  const UniqueFd theirs{ends[1]};
  ::fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  spec.inherited.emplace_back(theirs.get(), launch::kObserveFd);
  auto child = Child::launch(loop_, spec, [this](int wait_status) { on_exit(wait_status); });
  if (!child) return child.error();
  child_ = *std::move(child);
  last_.reset();
  ++*run_;
  socket_ = std::make_unique<boost::asio::posix::stream_descriptor>(loop_, ours.release());
  return {};
}

void Observer::stop() {
  ++*run_;
  on_answer_ = nullptr;
  timer_.cancel();
  socket_.reset();
  if (child_) Child::let_go(std::move(child_));
}

// One byte always fits: each is read before it is answered.
void Observer::ask(OnAnswer on_answer) {
  on_answer_ = std::move(on_answer);
  bytes_.clear();
  const char byte = 1;
  [[maybe_unused]] const ssize_t sent =
      ::send(socket_->native_handle(), &byte, 1, MSG_NOSIGNAL);  // if not, its exit follows
  wait_for_answer();
  timer_.expires_after(limit_);
  timer_.async_wait([this, run = run_, mine = *run_](boost::system::error_code error) {
    if (error || *run != mine || !is_asked()) return;  // `this` may be gone
    fail("showing the state takes more than " + std::to_string(limit_.count()) + " ms");
  });
}

void Observer::wait_for_answer() {
  socket_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this, run = run_, mine = *run_](boost::system::error_code error) {
                        if (error || *run != mine || !is_asked()) return;
                        read_answer();
                      });
}

void Observer::read_answer() {
  char bytes[64 * limits::KiB];
  for (std::size_t taken = 0; taken < kTurnBytes;) {
    const ssize_t got = ::read(socket_->native_handle(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) return;  // its exit follows, or its time ends
    taken += static_cast<std::size_t>(got);
    bytes_.append(bytes, static_cast<std::size_t>(got));
    if (bytes_.size() < sizeof head_) continue;
    if (!take_head()) return fail("the process that shows the state wrote nonsense");
    if (bytes_.size() - sizeof head_ >= head_.value_bytes) return finish();
  }
  wait_for_answer();
}

bool Observer::take_head() {
  std::memcpy(&head_, bytes_.data(), sizeof head_);
  const bool has_value = head_.seen == launch::Seen::kState;
  return head_.seen >= launch::Seen::kState && head_.seen <= launch::Seen::kNothing &&
         (has_value ? head_.value_bytes != 0 && head_.value_bytes <= limits::kInspectedBytes
                    : head_.value_bytes == 0) &&
         (head_.seen != launch::Seen::kSame || last_ != nullptr) &&
         bytes_.size() - sizeof head_ <= head_.value_bytes;
}

void Observer::finish() {
  if (head_.seen == launch::Seen::kState) {
    bytes_.erase(0, sizeof head_);
    if (!resp::is_one_value(bytes_)) return fail("the state was shown as no RESP value");
    last_ = std::make_shared<const std::string>(std::exchange(bytes_, {}));
  }
  answer(Answer{head_.seen, head_.sequence, head_.changes, last_});
}

void Observer::fail(const std::string& what) {
  const OnAnswer on_answer = std::exchange(on_answer_, nullptr);
  stop();
  if (on_answer) on_answer(Failure{what, 0});
}

void Observer::answer(Result<Answer> answer) {
  timer_.cancel();
  std::exchange(on_answer_, nullptr)(std::move(answer));
}

void Observer::on_exit(int wait_status) {
  const OnAnswer on_answer = std::exchange(on_answer_, nullptr);
  stop();
  if (!on_answer) return;
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == launch::kExitMoved)
    return on_answer(Failure{"its segment was given another size", EAGAIN});
  if (WIFSIGNALED(wait_status))
    return on_answer(Failure{
        "showing the state crashed: " + segment::signal_name(WTERMSIG(wait_status)), EFAULT});
  on_answer(Failure{"the process that shows the state ended", 0});
}

}  // namespace peeper::daemon
