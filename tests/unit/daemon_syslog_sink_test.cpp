// The sink for syslog: how a line gets there, and what happens while nobody takes any.
#include <doctest/doctest.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "daemon/log/log_format.hpp"
#include "daemon/log/syslog_sink.hpp"
#include "temporary_directory.hpp"

using namespace peeper;
using namespace peeper::daemon;
using peeper::test::TemporaryDirectory;

namespace {

std::uint64_t test_now = 0;

// What listens at /dev/log elsewhere.
class Syslog {
 public:
  explicit Syslog(const std::filesystem::path& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  // The next line, without what stands before the message; "": there is none.
  std::string next() {
    const std::string line = next_whole();
    const std::size_t colon = line.find("]: ");
    return colon == line.npos ? "" : line.substr(colon + 3);
  }
  std::string next_whole() {
    std::string line(256 * 1024, '\0');
    const ssize_t got = ::recv(fd_.get(), line.data(), line.size(), 0);
    line.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return line;
  }

 private:
  UniqueFd fd_;
};

struct TestLog {
  TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "log";
  std::vector<std::string> told;
  spdlog::logger logger = make();

  spdlog::logger make() {
    test_now = 1;
    auto sink = SyslogSink::open({path.string(), "peeperd",
                                  [this](const std::string& what) { told.push_back(what); },
                                  [] { return test_now; }});
    REQUIRE(sink.has_value());
    (*sink)->set_formatter(text_log_format(LogTime::kOmitted));
    return spdlog::logger{"peeperd", *std::move(sink)};
  }
};

}  // namespace

TEST_CASE("syslog sink: a line is a datagram as syslog(3) makes it") {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  TestLog log;
  Syslog syslog{log.path};
  const std::string pid = std::to_string(::getpid());
  const std::chrono::system_clock::time_point time{std::chrono::seconds{4 * 86400 + 3661}};
  log.logger.log(time, {}, spdlog::level::info, "server a: one\nforged");
  CHECK(syslog.next_whole() == "<30>Jan  5 01:01:01 peeperd[" + pid + "]: server a: one\\nforged");
  log.logger.log(time, {}, spdlog::level::warn, "two");
  CHECK(syslog.next_whole() == "<28>Jan  5 01:01:01 peeperd[" + pid + "]: two");
  log.logger.error("three");
  CHECK(syslog.next_whole().starts_with("<27>"));
  log.logger.critical("four");
  CHECK(syslog.next_whole().starts_with("<26>"));
  log.logger.set_level(spdlog::level::debug);
  log.logger.debug("five");
  CHECK(syslog.next_whole().starts_with("<31>"));
  log.logger.info(std::string(100'000, 'x'));
  CHECK(syslog.next() == std::string(SyslogSink::kMostBytes, 'x'));
  CHECK(log.told.empty());
}

TEST_CASE("syslog sink: while nobody is there lines are lost, counted, and told of now and then") {
  TestLog log;
  log.logger.info("one");
  log.logger.info("two");
  const std::string told = "can't be sent to " + log.path.string() +
                           ": No such file or directory; lines are lost until it can";
  CHECK(log.told == std::vector{told});
  test_now += SyslogSink::kTellEveryNs;
  log.logger.info("three");
  CHECK(log.told == std::vector{told, told});
  {
    Syslog syslog{log.path};
    log.logger.info("four");
    CHECK(syslog.next() ==
          "3 lines of the log could not be sent before this: No such file or directory");
    CHECK(syslog.next() == "four");
  }
  // It ends, and another one comes.
  log.logger.info("five");
  std::filesystem::remove(log.path);
  Syslog syslog{log.path};
  log.logger.info("six");
  CHECK(syslog.next() == "1 line of the log could not be sent before this: Connection refused");
  CHECK(syslog.next() == "six");
  CHECK(syslog.next() == "");
}

TEST_CASE("syslog sink: one that takes no more makes nobody wait") {
  TestLog log;
  Syslog syslog{log.path};
  // Far more than any queue holds; a sink that waited would do so for ever.
  for (int i = 0; i < 20'000; ++i) log.logger.info("line");
  REQUIRE(log.told.size() == 1);
  CHECK(log.told.front().find("Resource temporarily unavailable") != std::string::npos);
  int got = 0;
  while (syslog.next() == "line") ++got;
  CHECK(got > 0);
  log.logger.info("last");
  CHECK(syslog.next() == std::to_string(20'000 - got) +
                             " lines of the log could not be sent before this: "
                             "Resource temporarily unavailable");
  CHECK(syslog.next() == "last");
}
