#include "daemon/log/syslog_sink.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <exception>
#include <system_error>
#include <utility>

#include "daemon/log/log_format.hpp"

namespace peeper::daemon {
namespace {

using spdlog::details::log_msg;

// "Nov 27 06:18:58", in local time, as RFC 3164 has it.
std::string stamp_of(spdlog::log_clock::time_point time) {
  const std::time_t seconds = spdlog::log_clock::to_time_t(time);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%b %e %H:%M:%S", &parts)};
}

}  // namespace

Result<std::shared_ptr<SyslogSink>> SyslogSink::open(Options options) {
  UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return system_failure("no socket for syslog", errno);
  return std::make_shared<SyslogSink>(std::move(options), std::move(fd));
}

SyslogSink::SyslogSink(Options options, UniqueFd fd)
    : options_(std::move(options)), fd_(std::move(fd)) {}

void SyslogSink::sink_it_(const log_msg& message) {
  try {
    if (lost_ != 0) {
      const std::string text = std::to_string(lost_) + (lost_ == 1 ? " line" : " lines") +
                               " of the log could not be sent before this: " + why_lost_;
      const int error =
          send(line_of({message.time, {}, message.logger_name, spdlog::level::warn, text}));
      if (error != 0) return lose(std::system_category().message(error));
      lost_ = 0;
    }
    if (const int error = send(line_of(message)); error != 0)
      lose(std::system_category().message(error));
  } catch (const std::exception& error) {
    lose(error.what());
  }
}

// Whoever listened may have ended, and another have come.
int SyslogSink::send(std::string_view line) {
  const auto try_to = [&] {
    const ssize_t sent = ::send(fd_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? errno : 0;
  };
  const int error = try_to();
  if (error != ENOTCONN && error != ECONNREFUSED && error != ECONNRESET && error != EPIPE)
    return error;
  const int refused = connect();
  return refused != 0 ? refused : try_to();
}

int SyslogSink::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options_.socket.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, options_.socket.c_str(), options_.socket.size());
  const auto* plain = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(fd_.get(), plain, sizeof address) == 0 ? 0 : errno;
}

void SyslogSink::lose(const std::string& why) {
  ++lost_;
  try {
    why_lost_ = why;
    const std::uint64_t now = options_.now_ns();
    if (told_at_ && now - *told_at_ < kTellEveryNs) return;
    told_at_ = now;
    if (options_.tell)
      options_.tell("can't be sent to " + options_.socket + ": " + why +
                    "; lines are lost until it can");
  } catch (const std::exception&) {
    // Without memory they are counted all the same.
  }
}

std::string SyslogSink::line_of(const log_msg& message) {
  spdlog::memory_buf_t bytes;
  formatter_->format(message, bytes);
  std::string_view text{bytes.data(), bytes.size()};
  if (text.ends_with('\n')) text.remove_suffix(1);
  return "<" + std::to_string(LOG_DAEMON | priority_of(message.level)) + ">" +
         stamp_of(message.time) + " " + options_.name + "[" + std::to_string(::getpid()) + "]: " +
         std::string(text.substr(0, kMostBytes));
}

}  // namespace peeper::daemon
