// peeperd's own log: how its lines look, and where they go.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/log_file.hpp"
#include "daemon/log/log_format.hpp"
#include "daemon/log/set_up_log.hpp"
#include "daemon/log/stderr_sink.hpp"
#include "temporary_directory.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

std::string formatted(spdlog::formatter& format, std::string_view text,
                      spdlog::level::level_enum level = spdlog::level::info) {
  spdlog::details::log_msg message{"peeperd", level, {text.data(), text.size()}};
  message.time = {};
  spdlog::memory_buf_t out;
  format.format(message, out);
  return {out.data(), out.size()};
}

// Puts spdlog's default logger back, which set_up_log() replaces.
struct KeepsLogger {
  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  ~KeepsLogger() { spdlog::set_default_logger(before); }
};

config::DaemonSection to_file(const std::filesystem::path& file) {
  config::DaemonSection daemon;
  daemon.log_to = {config::LogTo::Kind::kFile, file};
  return daemon;
}

}  // namespace

TEST_CASE("log: a line of text stays one, whatever the message holds") {
  const auto text = text_log_format(LogTime::kOmitted);
  CHECK(formatted(*text, "server a: one") == "server a: one\n");
  CHECK(formatted(*text, "a\n[forged]\r\x1b[2Jä\xff") == "a\\n[forged]\\r\\x1b[2Jä\\xff\n");
  const std::string whole = formatted(*text_log_format(LogTime::kShown), "x");
  CHECK(whole.ends_with("] [peeperd] [info] x\n"));
}

TEST_CASE("log: a line of JSON is well-formed, whatever bytes the message has") {
  const auto format = json_log_format();
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string line = formatted(*format, "server a-b.c#3 err| " + all, spdlog::level::warn);
  CHECK(std::ranges::count(line, '\n') == 1);
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(line, error);
  REQUIRE_FALSE(error);
  const auto& object = value.as_object();
  CHECK(object.at("time") == "1970-01-01T00:00:00.000Z");
  CHECK(object.at("level") == "warning");
  CHECK(object.at("server") == "a-b.c");
  const std::string message{object.at("message").as_string()};
  CHECK(message.starts_with("server a-b.c#3 err| "));
  CHECK(message.ends_with("\uFFFD"));
  CHECK(message.find(std::string_view{"\0\x01\x02", 3}) != std::string::npos);
  CHECK_FALSE(boost::json::parse(formatted(*format, "none")).as_object().contains("server"));
  // What would command the terminal of whoever reads the file.
  CHECK(formatted(*format, "a\u009b31m").find("a\\u009b31m") != std::string::npos);
}

TEST_CASE("log: whom a message is about") {
  CHECK(server_in("server counter: its keeper ended") == "counter");
  CHECK(server_in("server counter is down: DOWN") == "counter");
  CHECK(server_in("server counter#12 out| server other: x") == "counter");
  CHECK(server_in("*DBG* counter got call") == "counter");
  CHECK(server_in("peeperd 1 serves 2 servers").empty());
  CHECK(server_in("server ").empty());
  CHECK(server_in("server 'x': y").empty());
}

TEST_CASE("log: the journal gets a priority and no time") {
  const auto format = with_priority(text_log_format(LogTime::kOmitted));
  CHECK(formatted(*format, "a\nb") == "<6>a\\nb\n");
  CHECK(formatted(*format, "x", spdlog::level::debug) == "<7>x\n");
  CHECK(formatted(*format, "x", spdlog::level::warn) == "<4>x\n");
  CHECK(formatted(*format, "x", spdlog::level::err) == "<3>x\n");
  CHECK(formatted(*format, "x", spdlog::level::critical) == "<2>x\n");

  struct stat facts {};
  REQUIRE(::fstat(STDIN_FILENO, &facts) == 0);
  const std::string mine = std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino);
  CHECK(leads_to_journal(STDIN_FILENO, mine.c_str()));
  CHECK_FALSE(leads_to_journal(STDIN_FILENO, (mine + "1").c_str()));
  CHECK_FALSE(leads_to_journal(STDIN_FILENO, ("1" + mine).c_str()));  // of another file system
  CHECK_FALSE(leads_to_journal(STDIN_FILENO, nullptr));
}

TEST_CASE("log: a file that has its size becomes the first of so many older ones") {
  const KeepsLogger keeps;
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  auto daemon = to_file(file);
  daemon.log_max_bytes = 4096;
  daemon.log_files = 2;
  REQUIRE(set_up_log(daemon).has_value());
  for (int i = 0; i < 500; ++i) spdlog::info("line {}", i);
  CHECK(test::content_of(file).ends_with("line 499\n"));
  CHECK(std::filesystem::exists(directory.path() / "d.1.log"));
  CHECK(std::filesystem::exists(directory.path() / "d.2.log"));
  CHECK_FALSE(std::filesystem::exists(directory.path() / "d.3.log"));
  for (const char* name : {"d.log", "d.1.log", "d.2.log"})
    CHECK(std::filesystem::file_size(directory.path() / name) <= 4096);
  // From one file to the next no line is missing.
  std::stringstream all{test::content_of(directory.path() / "d.2.log") +
                        test::content_of(directory.path() / "d.1.log") + test::content_of(file)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(all, line);) lines.push_back(line);
  REQUIRE(lines.size() > 100);
  for (std::size_t i = 0; i < lines.size(); ++i)
    CHECK(lines[i].ends_with("] line " + std::to_string(500 - lines.size() + i)));
}

TEST_CASE("log: set up again, a file that was moved away is made anew, level and format follow") {
  const KeepsLogger keeps;
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  auto daemon = to_file(file);
  daemon.log_files = 0;
  REQUIRE(set_up_log(daemon).has_value());
  spdlog::info("first");
  std::filesystem::rename(file, directory.path() / "moved");
  daemon.log_format = config::LogFormat::kJson;
  daemon.log_level = config::LogLevel::kWarning;
  REQUIRE(set_up_log(daemon).has_value());
  spdlog::info("not this");
  spdlog::warn("second");
  CHECK(test::content_of(directory.path() / "moved").ends_with("first\n"));
  CHECK(boost::json::parse(test::content_of(file)).at("message") == "second");
}

TEST_CASE("log: a file that can't be opened is a failure, and the log stays what it was") {
  const KeepsLogger keeps;
  const test::TemporaryDirectory directory;
  REQUIRE(set_up_log(to_file(directory.path() / "good.log")).has_value());
  const auto failed = set_up_log(to_file(directory.path() / "good.log" / "under_a_file"));
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().what.find("under_a_file") != std::string::npos);
  spdlog::info("still here");
  CHECK(test::content_of(directory.path() / "good.log").ends_with("still here\n"));

  auto daemon = to_file(directory.path() / "missing" / "d.log");
  daemon.log_to_place = {3, 4};
  auto refused = config::refuse_log_file(daemon);
  REQUIRE(refused.has_value());
  CHECK(refused->line == 3);
  CHECK(refused->text.find("No such file or directory; make that directory") != std::string::npos);
  refused = config::refuse_log_file(to_file(directory.path()));
  REQUIRE(refused.has_value());
  CHECK(refused->text.find("is a directory") != std::string::npos);
  CHECK_FALSE(config::refuse_log_file(to_file(directory.path() / "new.log")).has_value());
  CHECK_FALSE(std::filesystem::exists(directory.path() / "new.log"));
}

TEST_CASE("log: a full disk is told once, on stderr, and stops nothing") {
  const KeepsLogger keeps;
  const test::TemporaryDirectory directory;
  const UniqueFd errors{::open((directory.path() / "stderr").c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                               0600)};
  const UniqueFd before{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
  ::dup2(errors.get(), STDERR_FILENO);
  auto daemon = to_file("/dev/full");
  daemon.log_files = 0;
  const auto set = set_up_log(daemon);
  for (int i = 0; i < 100; ++i) spdlog::info("line {}", i);
  ::dup2(before.get(), STDERR_FILENO);
  CHECK(set.has_value());
  const std::string told = test::content_of(directory.path() / "stderr");
  CHECK(told.starts_with("peeperd: its log can't be written: "));
  CHECK(told.find("No space left on device") != std::string::npos);
  CHECK(std::ranges::count(told, '\n') == 1);
}

TEST_CASE("log: a reader of stderr that stands still loses lines, and delays nobody") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd reading{ends[0]};
  const UniqueFd writing{ends[1]};
  spdlog::logger logger{"peeperd", std::make_shared<StderrSink>(writing.get(),
                                                               StderrSink::Colours::kNone)};
  logger.sinks()[0]->set_formatter(text_log_format(LogTime::kOmitted));
  const std::string longest(20'000, 'x');
  for (int i = 0; i < 100; ++i) logger.info("{} {}", i, longest);
  std::string got;
  char buffer[65536];
  const auto read = [&] {
    const ssize_t bytes = ::read(reading.get(), buffer, sizeof buffer);
    REQUIRE(bytes > 0);
    got.append(buffer, static_cast<std::size_t>(bytes));
  };
  read();
  logger.info("after");
  while (!got.ends_with("after\n")) read();
  CHECK(got.starts_with("0 xxx"));
  CHECK(got.find("lines were lost, nobody read them\nafter\n") != std::string::npos);
}
