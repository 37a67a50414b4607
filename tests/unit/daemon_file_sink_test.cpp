// The sink of peeperd's log file: what it does when the file can't be written or rotated.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/log/file_sink.hpp"
#include "daemon/log/log_format.hpp"
#include "daemon/log/rotation.hpp"
#include "temporary_directory.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

namespace fs = std::filesystem;

// A soft limit of this process's that is lower for a while.
class Lowered {
 public:
  Lowered(int resource, rlim_t most) : resource_(resource) {
    REQUIRE(::getrlimit(kind(), &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = most;
    REQUIRE(::setrlimit(kind(), &limit) == 0);
  }
  ~Lowered() { end(); }
  Lowered(const Lowered&) = delete;
  Lowered& operator=(const Lowered&) = delete;
  void end() const { ::setrlimit(kind(), &before_); }

 private:
  [[nodiscard]] __rlimit_resource_t kind() const {
    return static_cast<__rlimit_resource_t>(resource_);
  }
  int resource_;
  rlimit before_{};
};

// A file that may not grow any more is an error for who writes it, not its end.
struct IgnoresFileSize {
  void (*before)(int) = ::signal(SIGXFSZ, SIG_IGN);
  ~IgnoresFileSize() { ::signal(SIGXFSZ, before); }
};

std::uint64_t test_now = 0;
constexpr std::uint64_t kSecond = 1'000'000'000;

// A logger of one sink, whose clock stands still unless a test moves it.
struct Log {
  explicit Log(const fs::path& file, std::size_t most_bytes = 0, std::size_t older_files = 0,
               std::unique_ptr<spdlog::formatter> format = text_log_format(LogTime::kOmitted)) {
    test_now = 100 * kSecond;
    FileSink::Options options;
    options.file = file.string();
    options.most_bytes = most_bytes;
    options.older_files = older_files;
    options.tell = [this](const std::string& what) { told.push_back(what); };
    options.now_ns = [] { return test_now; };
    auto sink = FileSink::open(std::move(options));
    REQUIRE(sink.has_value());
    (*sink)->set_formatter(std::move(format));
    logger.sinks().push_back(*std::move(sink));
    logger.set_error_handler([this](const std::string&) { ++thrown; });
  }
  void lines(int from, int to) {
    for (int i = from; i <= to; ++i) logger.info("line {}", i);
  }

  std::vector<std::string> told;
  int thrown = 0;
  spdlog::logger logger{"peeperd"};
};

std::string lines(int from, int to) {
  std::string all;
  for (int i = from; i <= to; ++i) all += "line " + std::to_string(i) + "\n";
  return all;
}

// Has no memory for a line that says so.
class NoMemory final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string_view text{message.payload.data(), message.payload.size()};
    if (text.find("too much") != text.npos) throw std::bad_alloc{};
    format_->format(message, out);
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<NoMemory>();
  }

 private:
  std::unique_ptr<spdlog::formatter> format_ = text_log_format(LogTime::kOmitted);
};

}  // namespace

TEST_CASE("log file: older ones have their number before the extension") {
  CHECK(older_log("/var/log/d.log", 2) == "/var/log/d.2.log");
  CHECK(older_log("/var/log/d", 1) == "/var/log/d.1");
  CHECK(older_log("/var/log.d/d", 10) == "/var/log.d/d.10");
  CHECK(older_log("/var/log/.d", 1) == "/var/log/.d.1");
}

TEST_CASE("log file: one that can't be rotated grows, and is tried again once a second") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  const auto older = directory.path() / "d.1.log";
  Log log{file, 400, 1};
  // A directory with something in it is replaced by no file.
  fs::create_directories(older / "x");
  log.lines(1, 200);
  const std::string all = test::content_of(file);
  const std::string note = "the log can't be rotated: cannot rename " + file.string() + " to " +
                           older.string() + ": Is a directory; the file grows until it can\n";
  const std::size_t at = all.find(note);
  REQUIRE(at != all.npos);
  CHECK(all.substr(0, at) + all.substr(at + note.size()) == lines(1, 200));
  REQUIRE(log.told.size() == 1);
  CHECK(log.told[0] == note.substr(std::string("the log ").size(), note.size() - 9));
  CHECK(!fs::exists(file.string() + ".next"));

  fs::remove_all(older);
  test_now += FileSink::kRetryNs - 1;
  log.lines(201, 201);
  CHECK(!fs::exists(older));
  test_now += 1;
  log.lines(202, 202);
  CHECK(test::content_of(older) == all + lines(201, 201));
  CHECK(test::content_of(file) == lines(202, 202));
  CHECK(log.thrown == 0);
}

TEST_CASE("log file: without a descriptor nothing moves and no line is lost") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  directory.write("d.1.log", "one\n");
  Log log{file, 400, 3};
  {
    const Lowered files{RLIMIT_NOFILE, 0};
    log.logger.info(std::string(500, 'x'));
    log.logger.info("short");
    log.logger.info(std::string(500, 'y'));
  }
  const std::string all = test::content_of(file);
  CHECK(all.starts_with(std::string(500, 'x') + "\n"));  // an empty file isn't rotated
  CHECK(all.find("Too many open files") != all.npos);
  CHECK(all.ends_with("\nshort\n" + std::string(500, 'y') + "\n"));
  CHECK(test::content_of(directory.path() / "d.1.log") == "one\n");
  CHECK(!fs::exists(directory.path() / "d.2.log"));
  test_now += FileSink::kRetryNs;
  log.lines(1, 1);
  CHECK(test::content_of(file) == lines(1, 1));
  CHECK(test::content_of(directory.path() / "d.1.log") == all);
  CHECK(test::content_of(directory.path() / "d.2.log") == "one\n");
  CHECK(log.thrown == 0);
}

TEST_CASE("log file: rotations that fail, however many, cost no older file") {
  const test::TemporaryDirectory directory;
  const auto file = directory.write("d.log", "now\n").string();
  SUBCASE("the oldest can't go") {
    directory.write("d.1.log", "one\n");
    directory.write("d.2.log", "two\n");
    directory.write("d.3.log/x", "");
    for (int i = 0; i < 10; ++i) CHECK_FALSE(rotate_log(file, 3).has_value());
    CHECK(test::content_of(directory.file("d.1.log")) == "one\n");
    CHECK(test::content_of(directory.file("d.2.log")) == "two\n");
    CHECK(test::content_of(file) == "now\n");
    CHECK(!fs::exists(file + ".next"));
  }
  SUBCASE("only the first is free, as one that failed half-way leaves it") {
    directory.write("d.2.log", "two\n");
    directory.write("d.3.log", "three\n");
    CHECK(rotate_log(file, 3).has_value());
    CHECK(test::content_of(directory.file("d.1.log")) == "now\n");
    CHECK(test::content_of(directory.file("d.2.log")) == "two\n");
    CHECK(test::content_of(directory.file("d.3.log")) == "three\n");
  }
  SUBCASE("the file itself was moved away, and a peeperd died in the middle") {
    fs::rename(file, directory.path() / "moved");
    directory.write("d.log.next", "left");
    CHECK(rotate_log(file, 2).has_value());
    CHECK(fs::exists(file));
    CHECK(test::content_of(file).empty());
    CHECK(!fs::exists(directory.path() / "d.1.log"));
    CHECK(!fs::exists(file + ".next"));
    CHECK(test::content_of(directory.file("moved")) == "now\n");
  }
}

TEST_CASE("log file: lines that find no room are lost whole, counted, and told") {
  const test::TemporaryDirectory directory;
  const IgnoresFileSize ignores;
  const auto file = directory.path() / "d.log";
  SUBCASE("text") {
    Log log{file};
    {
      const Lowered size{RLIMIT_FSIZE, 25};
      log.lines(1, 6);
      CHECK(test::content_of(file) == lines(1, 3));
      CHECK(log.told == std::vector<std::string>{
                            "can't be written: File too large; lines are lost until it can"});
      test_now += FileSink::kTellEveryNs;
      log.lines(7, 7);
      CHECK(log.told.size() == 2);
    }
    log.lines(8, 9);
    CHECK(test::content_of(file) == lines(1, 3) +
                               "4 lines of the log could not be written before this: File too "
                               "large\n" +
                               lines(8, 9));
    CHECK(log.thrown == 0);
  }
  SUBCASE("JSON stays well-formed") {
    Log log{file, 0, 0, json_log_format()};
    {
      const Lowered size{RLIMIT_FSIZE, 250};
      log.lines(1, 6);
    }
    log.lines(7, 7);
    std::istringstream stream{test::content_of(file)};
    std::vector<std::string> messages;
    for (std::string line; std::getline(stream, line);)
      messages.emplace_back(boost::json::parse(line).at("message").as_string());
    REQUIRE(messages.size() >= 3);
    CHECK(messages[0] == "line 1");
    CHECK(messages[messages.size() - 2].find("could not be written") != std::string::npos);
    CHECK(messages.back() == "line 7");
  }
  SUBCASE("the sink's end says it too, as a reload is one") {
    Log log{file};
    {
      const Lowered size{RLIMIT_FSIZE, 8};
      log.lines(1, 2);
    }
    log.logger.sinks().clear();
    CHECK(test::content_of(file) ==
          lines(1, 1) + "1 line of the log could not be written before this: File too large\n");
  }
}

TEST_CASE("log file: a full disk is told once a minute, and never rotated") {
  Log log{"/dev/full", 50, 2};
  log.lines(1, 100);
  CHECK(log.told == std::vector<std::string>{
                        "can't be written: No space left on device; lines are lost until it can"});
  CHECK(log.thrown == 0);
  CHECK(fs::exists("/dev/full"));
}

TEST_CASE("log file: where the beginning of a line stays, the next begins anew, nobody waits") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "fifo";
  REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  const UniqueFd reader{::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  REQUIRE(reader);
  Log log{file, 100, 2};
  REQUIRE(::fcntl(reader.get(), F_SETPIPE_SZ, 4096) >= 4096);
  std::string got;
  const auto read_all = [&] {
    char bytes[65536];
    for (ssize_t n = 0; (n = ::read(reader.get(), bytes, sizeof bytes)) > 0;)
      got.append(bytes, static_cast<std::size_t>(n));
  };
  log.logger.info(std::string(100'000, 'x'));
  log.lines(1, 1);
  read_all();
  log.lines(2, 3);
  read_all();
  CHECK(got.starts_with("xxx"));
  CHECK(got.find("x\n2 lines of the log could not be written before this: Resource temporarily "
                 "unavailable\nline 2\nline 3\n") != got.npos);
}

TEST_CASE("log file: a line that there is no memory for is lost like others") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  Log log{file, 0, 0, std::make_unique<NoMemory>()};
  log.logger.info("too much");
  log.lines(1, 1);
  CHECK(log.thrown == 0);
  CHECK(test::content_of(file) ==
        "1 line of the log could not be written before this: std::bad_alloc\n" + lines(1, 1));
}

TEST_CASE("log file: one that somebody has emptied meanwhile isn't rotated for what it was") {
  const test::TemporaryDirectory directory;
  const auto file = directory.path() / "d.log";
  Log log{file, 100, 1};
  log.lines(1, 10);
  fs::resize_file(file, 0);
  log.lines(11, 20);
  CHECK(test::content_of(file) == lines(11, 20));
  CHECK(!fs::exists(directory.path() / "d.1.log"));
}
