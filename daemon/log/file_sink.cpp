#include "daemon/log/file_sink.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "daemon/log/rotation.hpp"

namespace peeper::daemon {
namespace {

using spdlog::details::log_msg;

std::string text_of(int error) { return std::system_category().message(error); }

}  // namespace

Result<std::shared_ptr<FileSink>> FileSink::open(Options options) {
  auto fd = open_log(options.file);
  if (!fd) return fd.error();
  return std::make_shared<FileSink>(std::move(options), *std::move(fd));
}

FileSink::FileSink(Options options, UniqueFd fd)
    : options_(std::move(options)), fd_(std::move(fd)) {
  struct stat facts {};
  if (::fstat(fd_.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return;
  is_rotated_ = options_.older_files != 0;
  size_ = static_cast<std::uint64_t>(facts.st_size);
  if (is_rotated_) keep_spare();
}

void FileSink::keep_spare() { spare_.reset(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 3)); }

FileSink::~FileSink() {
  if (lost_ == 0) return;
  try {
    const std::string text = lost_lines();
    write((is_in_line_ ? "\n" : "") + formatted({"peeperd", spdlog::level::warn, text}));
  } catch (const std::exception&) {
    // Then nobody is told.
  }
}

void FileSink::sink_it_(const log_msg& message) {
  try {
    put(message);
  } catch (const std::exception& error) {
    lose(error.what());
  }
}

void FileSink::put(const log_msg& message) {
  const auto note = [&](const std::string& text) {
    return formatted({message.time, {}, message.logger_name, spdlog::level::warn, text});
  };
  std::string text = formatted(message);
  if (lost_ != 0) text.insert(0, note(lost_lines()));
  if (const std::string why = make_room(text.size()); !why.empty())
    text.insert(0, note("the log can't be rotated: " + why + "; the file grows until it can"));
  if (is_in_line_) text.insert(0, "\n");
  if (const int error = write(text); error != 0) return lose(text_of(error));
  lost_ = 0;
}

std::string FileSink::make_room(std::size_t bytes) {
  if (!is_rotated_ || size_ + bytes <= options_.most_bytes) return "";
  const std::uint64_t now = options_.now_ns();
  if (now < retry_at_) return "";
  // Somebody may have cut it meanwhile. One that is empty stays: another would hold no more.
  struct stat facts {};
  if (::fstat(fd_.get(), &facts) == 0) size_ = static_cast<std::uint64_t>(facts.st_size);
  if (size_ == 0 || size_ + bytes <= options_.most_bytes) return "";
  spare_.reset();
  auto next = rotate_log(options_.file, options_.older_files);
  if (next) fd_ = *std::move(next);
  keep_spare();
  if (next) {
    size_ = 0;
    is_in_line_ = false;
    is_stuck_ = false;
    return "";
  }
  retry_at_ = now + kRetryNs;
  tell(told_stuck_at_, "can't be rotated: " + next.error().what + "; the file grows until it can");
  return std::exchange(is_stuck_, true) ? "" : next.error().what;
}

int FileSink::write(std::string_view text) {
  std::size_t done = 0;
  int error = 0;
  while (done < text.size() && error == 0) {
    const ssize_t written = ::write(fd_.get(), text.data() + done, text.size() - done);
    if (written > 0)
      done += static_cast<std::size_t>(written);
    else if (written == 0 || errno != EINTR)
      error = written == 0 ? ENOSPC : errno;
  }
  size_ += done;
  if (error == 0)
    is_in_line_ = false;
  else if (done != 0)
    take_back(text.substr(0, done));
  return error;
}

// Unless somebody else has written behind it, or it is no plain file.
void FileSink::take_back(std::string_view written) {
  const off_t end = ::lseek(fd_.get(), 0, SEEK_CUR);
  const auto bytes = static_cast<off_t>(written.size());
  struct stat facts {};
  if (end >= bytes && ::fstat(fd_.get(), &facts) == 0 && S_ISREG(facts.st_mode) &&
      facts.st_size == end && ::ftruncate(fd_.get(), end - bytes) == 0)
    size_ -= written.size();
  else
    is_in_line_ = written.back() != '\n';
}

void FileSink::lose(const std::string& why) {
  ++lost_;
  try {
    why_lost_ = why;
    tell(told_lost_at_, "can't be written: " + why + "; lines are lost until it can");
  } catch (const std::exception&) {
    // Without memory they are counted all the same.
  }
}

void FileSink::tell(std::optional<std::uint64_t>& told_at, const std::string& what) {
  const std::uint64_t now = options_.now_ns();
  if (told_at && now - *told_at < kTellEveryNs) return;
  told_at = now;
  if (options_.tell) options_.tell(what);
}

std::string FileSink::formatted(const log_msg& message) {
  spdlog::memory_buf_t bytes;
  formatter_->format(message, bytes);
  return {bytes.data(), bytes.size()};
}

std::string FileSink::lost_lines() const {
  return std::to_string(lost_) + (lost_ == 1 ? " line" : " lines") +
         " of the log could not be written before this: " + why_lost_;
}

}  // namespace peeper::daemon
