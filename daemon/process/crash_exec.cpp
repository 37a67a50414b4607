#include "daemon/process/crash_exec.hpp"

#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "common/unique_fd.hpp"

namespace peeper::daemon {
namespace {

// A file of memory, to be read from its beginning: unlike a pipe it takes all at once.
Result<UniqueFd> file_of(std::string_view bytes) {
  UniqueFd file{::memfd_create("peeper-crash", MFD_CLOEXEC)};
  if (!file) return system_failure("no file for the record of a crash", errno);
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_failure("cannot write the record of a crash", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

}  // namespace

CrashExec::CrashExec(boost::asio::io_context& loop, std::string server, Programs programs,
                     std::chrono::milliseconds limit)
    : loop_(loop),
      server_(std::move(server)),
      programs_(std::move(programs)),
      limit_(limit),
      timer_(loop) {}

CrashExec::~CrashExec() { kill_all(); }

void CrashExec::run(std::string_view value) {
  if (child_) {
    if (++skipped_ == 1)
      spdlog::warn("server {}: on_crash_exec still runs and is not told of this crash", server_);
    return;
  }
  const auto input = file_of(value);
  if (!input) return spdlog::error("server {}: on_crash_exec: {}", server_, input.error().what);
  const LaunchSpec spec{programs_.helper.string(),
                        {programs_.told.string()},
                        {{input->get(), STDIN_FILENO}}};
  auto child = Child::launch(loop_, spec, [this](int wait_status) { on_exit(wait_status); });
  if (!child) return spdlog::error("server {}: on_crash_exec: {}", server_, child.error().what);
  child_ = *std::move(child);
  timer_.expires_after(limit_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error && timer_.expiry() <= std::chrono::steady_clock::now()) on_time_limit();
  });
}

void CrashExec::on_exit(int wait_status) {
  child_.reset();
  timer_.expires_at(std::chrono::steady_clock::time_point::max());
  if (wait_status != 0)
    spdlog::error("server {}: on_crash_exec {} ended with status {:#x}", server_,
                  programs_.told.string(), wait_status);
  if (skipped_ != 0)
    spdlog::warn("server {}: on_crash_exec has not been told of {} crashes", server_, skipped_);
  skipped_ = 0;
}

void CrashExec::on_time_limit() {
  if (!child_) return;
  spdlog::error("server {}: on_crash_exec {} takes more than {} ms; killing it", server_,
                programs_.told.string(), limit_.count());
  kill_all();
}

// What it has started too, as far as it is in its group. It is not reaped yet, so the number is
// still its own.
void CrashExec::kill_all() const {
  if (child_) ::kill(-child_->pid(), SIGKILL);
}

}  // namespace peeper::daemon
