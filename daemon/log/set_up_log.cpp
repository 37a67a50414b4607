#include "daemon/log/set_up_log.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "daemon/log/file_sink.hpp"
#include "daemon/log/log_format.hpp"
#include "daemon/log/log_level.hpp"
#include "daemon/log/stderr_sink.hpp"
#include "daemon/log/syslog_sink.hpp"

namespace peeper::daemon {
namespace {

using config::LogFormat;

std::unique_ptr<spdlog::formatter> format_for(LogFormat format, LogTime time) {
  return format == LogFormat::kJson ? json_log_format() : text_log_format(time);
}

spdlog::sink_ptr stderr_sink(LogFormat format) {
  const bool is_journal = leads_to_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  auto sink = std::make_shared<StderrSink>(
      STDERR_FILENO, is_terminal ? StderrSink::Colours::kOfLevels : StderrSink::Colours::kNone);
  sink->set_formatter(is_journal ? with_priority(format_for(format, LogTime::kOmitted))
                                 : format_for(format, LogTime::kShown));
  return sink;
}

// As far as stderr takes it at once.
void tell_on_stderr(const std::string& what) {
  write_at_once(STDERR_FILENO, "peeperd: its log " + what + "\n");
}

Result<spdlog::sink_ptr> syslog_sink(LogFormat format) {
  SyslogSink::Options options;
  options.tell = tell_on_stderr;
  auto sink = SyslogSink::open(std::move(options));
  if (!sink) return sink.error();
  (*sink)->set_formatter(format_for(format, LogTime::kOmitted));
  return *std::move(sink);
}

Result<spdlog::sink_ptr> file_sink(const config::DaemonSection& daemon) {
  FileSink::Options options;
  options.file = daemon.log_to.file.string();
  options.most_bytes = daemon.log_max_bytes;
  options.older_files = daemon.log_files;
  options.tell = tell_on_stderr;
  auto sink = FileSink::open(std::move(options));
  if (!sink)
    return Failure{"log_to: " + sink.error().what +
                       "; make its directory, let peeperd's user write there, or name another file",
                   sink.error().system_error};
  (*sink)->set_formatter(format_for(daemon.log_format, LogTime::kShown));
  return *std::move(sink);
}

Result<spdlog::sink_ptr> sink_for(const config::DaemonSection& daemon) {
  switch (daemon.log_to.kind) {
    case config::LogTo::Kind::kStderr: break;
    case config::LogTo::Kind::kSyslog: return syslog_sink(daemon.log_format);
    case config::LogTo::Kind::kFile: return file_sink(daemon);
  }
  return stderr_sink(daemon.log_format);
}

}  // namespace

bool leads_to_journal(int fd, const char* journal_stream) {
  struct stat facts {};
  if (journal_stream == nullptr || ::fstat(fd, &facts) != 0) return false;
  return std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino) == journal_stream;
}

Result<void> set_up_log(const config::DaemonSection& daemon) {
  auto sink = sink_for(daemon);
  if (!sink) return sink.error();
  auto logger = std::make_shared<spdlog::logger>("peeperd", *std::move(sink));
  // No sink fails; a message might, for want of memory.
  logger->set_error_handler([is_told = false](const std::string& what) mutable {
    if (!std::exchange(is_told, true)) tell_on_stderr("lacks a line: " + what);
  });
  logger->flush_on(spdlog::level::trace);
  logger->set_level(level_of(daemon.log_level));
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace peeper::daemon
