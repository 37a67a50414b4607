#include "pty.hpp"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "require.hpp"

namespace peeper::test {

using Clock = std::chrono::steady_clock;

Pty::Pty(const std::vector<std::string>& command, Size size,
         const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const winsize window{size.rows, size.columns, 0, 0};
  int terminal = -1;
  const int parent = ::getpid();
  pid_ = ::forkpty(&terminal, nullptr, nullptr, &window);
  require(pid_ >= 0, "no pseudo-terminal");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  terminal_.reset(terminal);
}

Pty::~Pty() {
  if (status_) return;
  ::kill(pid_, SIGKILL);
  terminal_.reset();
  ::waitpid(pid_, nullptr, 0);
}

void Pty::type(std::string_view keys) const {
  require(::write(terminal_.get(), keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()),
          "the terminal takes no keys");
}

void Pty::resize(Size size) const {
  const winsize window{size.rows, size.columns, 0, 0};
  require(::ioctl(terminal_.get(), TIOCSWINSZ, &window) == 0, "the terminal can't be resized");
}

void Pty::signal(int number) const { ::kill(pid_, number); }

bool Pty::read_some(std::chrono::milliseconds patience) {
  pollfd ready{terminal_.get(), POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(patience.count())) <= 0) return false;
  char bytes[16 * 1024];
  const ssize_t got = ::read(terminal_.get(), bytes, sizeof bytes);
  if (got <= 0) return false;  // EIO: nobody has the other end any more
  all_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

bool Pty::await(const std::function<bool(const std::string& all)>& condition) {
  const auto deadline = Clock::now() + kPatience;
  while (!condition(all_)) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || !read_some(left)) return condition(all_);
  }
  return true;
}

bool Pty::await_on_screen(std::string_view text) {
  return await([&](const std::string&) { return screen().find(text) != std::string::npos; });
}

void Pty::look(std::chrono::milliseconds time) {
  const auto deadline = Clock::now() + time;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || !read_some(left)) return;
  }
}

std::string Pty::screen() const {
  static constexpr std::string_view kHome = "\033[H";
  static constexpr std::string_view kEnd = "\033[J";
  const std::size_t end = all_.rfind(kEnd);
  if (end == all_.npos) return {};
  const std::size_t begin = all_.rfind(kHome, end);
  if (begin == all_.npos) return {};
  std::string text;
  for (std::size_t at = begin; at < end;) {
    if (all_[at] == '\033') {
      at += 2;
      while (at < end && (all_[at] < '@' || all_[at] > '~')) ++at;
      ++at;
    } else {
      if (all_[at] != '\r') text += all_[at];
      ++at;
    }
  }
  return text;
}

std::optional<int> Pty::wait() {
  const auto deadline = Clock::now() + kPatience;
  while (!status_) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = status;
      break;
    }
    if (Clock::now() > deadline) return std::nullopt;
    (void)read_some(std::chrono::milliseconds{20});  // it must not wait for a reader
  }
  while (read_some(std::chrono::milliseconds{0})) {
  }
  return status_;
}

}  // namespace peeper::test
