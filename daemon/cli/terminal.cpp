#include "daemon/cli/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>


#include "common/write_all.hpp"

namespace peeper::cli {
namespace {

constexpr std::string_view kEnter = "\033[?1049h\033[?25l";
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";
constexpr std::string_view kHome = "\033[H";
constexpr std::string_view kClearLine = "\033[K";
constexpr std::string_view kClearRest = "\033[J";

}  // namespace

bool allows_colours() {
  const char* no_colour = std::getenv("NO_COLOR");
  return no_colour == nullptr || *no_colour == '\0';
}

Result<Terminal> Terminal::open() {
  termios before{};
  if (::isatty(STDOUT_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &before) != 0)
    return Failure{"this needs a terminal to draw on and to read keys from; for a program there is "
                   "peeper --json ls",
                   ENOTTY};
  sigset_t wanted;
  sigset_t mask;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP})
    ::sigaddset(&wanted, signal);
  ::pthread_sigmask(SIG_BLOCK, &wanted, &mask);
  UniqueFd signals{::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (!signals || ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    return system_failure("the terminal can't be set up", error);
  }
  write_all(STDOUT_FILENO, kEnter);
  return Terminal{before, std::move(signals), mask};
}

Terminal::Terminal(Terminal&& other) noexcept
    : before_(other.before_),
      signals_(std::move(other.signals_)),
      mask_(other.mask_),
      keys_(std::move(other.keys_)) {}

Terminal::~Terminal() {
  if (!signals_) return;
  write_all(STDOUT_FILENO, kLeave);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  // Those that came are told by now; a second one must not end the process after all.
  signalfd_siginfo told{};
  while (::read(signals_.get(), &told, sizeof told) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

Terminal::Event Terminal::wait(std::chrono::milliseconds most) {
  pollfd ready[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  if (::poll(ready, 2, static_cast<int>(most.count())) <= 0) return Event::kTime;
  if (ready[1].revents != 0) {
    signalfd_siginfo told{};
    if (::read(signals_.get(), &told, sizeof told) != sizeof told) return Event::kTime;
    // Stopping would leave a shell with this screen: it is ignored.
    if (told.ssi_signo == SIGTSTP) return Event::kTime;
    return told.ssi_signo == SIGWINCH ? Event::kResized : Event::kSignal;
  }
  char bytes[64];
  const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
  if (got <= 0) return errno == EINTR && got < 0 ? Event::kTime : Event::kSignal;
  keys_.assign(bytes, static_cast<std::size_t>(got));
  return Event::kKeys;
}

Screen Terminal::screen() const {
  winsize size{};
  Screen screen;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0) {
    screen.rows = size.ws_row;
    screen.columns = size.ws_col;
  }
  const char* term = std::getenv("TERM");
  screen.colour = allows_colours() && (term == nullptr || std::string_view{term} != "dumb");
  return screen;
}

void Terminal::show(std::string_view lines) {
  std::string out{kHome};
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    out.append(lines.substr(0, end)).append(kClearLine);
    if (end == lines.npos) break;
    out += "\r\n";
    lines.remove_prefix(end + 1);
  }
  write_all(STDOUT_FILENO, out.append(kClearRest));
}

}  // namespace peeper::cli
