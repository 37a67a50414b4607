// peeperd's own log: files, JSON, the journal's form, what is read again, and mistakes.
#include <doctest/doctest.h>
#include <signal.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "file_content.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string with_daemon(std::string_view keys) {
  return "[daemon]\n" + std::string(keys) + counter_config();
}

void write(const Instance& peeperd, const std::string& config) {
  std::ofstream{peeperd.config_file()} << config;
}

// peeperd is started by a script that says what JOURNAL_STREAM is: a shell's words.
void start_with_journal(Instance& peeperd, const std::string& stream) {
  const auto programs = peeperd.directory() / "journal";
  std::filesystem::create_directory(programs);
  std::ofstream{programs / "peeperd"}
      << "#!/bin/sh\nJOURNAL_STREAM=" + stream + "\nexport JOURNAL_STREAM\nexec " +
             program("peeperd") + " \"$@\"\n";
  std::filesystem::permissions(programs / "peeperd", std::filesystem::perms::owner_all);
  peeperd.run_from(programs);
  peeperd.start();
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("log file: lines of JSON, each well-formed, and what was moved away is made anew") {
  Instance peeperd{""};
  const auto file = peeperd.directory() / "d.log";
  const std::string keys = "log_to = \"" + file.string() + "\"\nlog_format = \"json\"\n";
  write(peeperd, with_daemon(keys));
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  bool told = false;
  std::istringstream lines{content_of(file)};
  for (std::string line; std::getline(lines, line);) {
    const auto object = boost::json::parse(line).as_object();
    CHECK(object.contains("time"));
    CHECK(object.contains("level"));
    // One line has all of a crash: who, which incarnation, why, what became of it, what is next.
    const std::string message{object.at("message").as_string()};
    if (message.find("worker 1 died: SIGSEGV at 0x0 in 'segv'; crash 1; the message is dropped; "
                     "state of sequence ") != message.npos) {
      told = true;
      CHECK(object.at("server") == "counter");
      CHECK(object.at("level") == "warning");
      CHECK(message.ends_with("kept; the next worker starts"));
    }
  }
  CHECK(told);

  std::filesystem::rename(file, peeperd.directory() / "moved");
  peeperd.daemon().signal(SIGHUP);
  peeperd.await([&] { return std::filesystem::exists(file); });
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  peeperd.await([&] { return mentions(content_of(file), "crash 2"); });
  CHECK_FALSE(mentions(content_of(peeperd.directory() / "moved"), "crash 2"));

  // To text, and to another file, by a reload.
  const auto other = peeperd.directory() / "other.log";
  write(peeperd, with_daemon("log_to = \"" + other.string() + "\"\n"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  peeperd.await([&] { return mentions(content_of(other), "[warning] server counter: worker "); });

  // What can't be written is refused, and changes nothing.
  write(peeperd, with_daemon("log_to = \"" + other.string() + "/x\"\n"));
  CHECK(mentions(peeperd.peeper({"reload"}).err, "log_to: cannot make files in"));
  peeperd.stop();
  CHECK(mentions(content_of(other), "peeperd has stopped"));
  CHECK(peeperd.log().empty());
}

TEST_CASE("log file: it is rotated by its size") {
  Instance peeperd{""};
  const auto file = peeperd.directory() / "d.log";
  write(peeperd, with_daemon("log_to = \"" + file.string() +
                             "\"\nlog_max_size = \"8KiB\"\nlog_files = 2\n"));
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "TRACE", "counter", "on"}) == "OK");
  for (int i = 1; i <= 300; ++i) CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
  CHECK(std::filesystem::exists(peeperd.directory() / "d.2.log"));
  CHECK_FALSE(std::filesystem::exists(peeperd.directory() / "d.3.log"));
  peeperd.stop();
}

TEST_CASE("log file: a full disk under it stops neither peeperd nor a server") {
  Instance peeperd{with_daemon("log_to = \"/dev/full\"\nlog_files = 0\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 1; i <= 20; ++i) {
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
    CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  }
  peeperd.stop();
  const std::string told = peeperd.log();
  CHECK(told.starts_with("peeperd: its log can't be written: "));
  CHECK(std::ranges::count(told, '\n') == 1);
}

TEST_CASE("log file: one that can't be written is a mistake with file and line") {
  Instance peeperd{with_daemon("log_to = \"/nowhere/d.log\"\nlog_format = \"xml\"\n"
                               "log_files = 1001\nlog_max_size = 10\n")};
  Spawn check = peeperd.command();
  check.command.emplace_back("--check");
  check.output_file.clear();
  const Ran ran = run(check);
  CHECK(ran.exit_code == 2);
  CHECK(mentions(ran.err, "peeperd.toml:2:10: log_to: cannot make files in \"/nowhere\": No such "
                          "file or directory; make that directory"));
  CHECK(mentions(ran.err, "peeperd.toml:3:14: log_format: expected \"text\" or \"json\""));
  CHECK(mentions(ran.err, "peeperd.toml:4:13: log_files: expected a whole number from 0 to 1000"));
  CHECK(mentions(ran.err, "peeperd.toml:5:16: log_max_size: expected a size from 4KiB to 1TiB"));
}

TEST_CASE("log: the journal gets priorities and no time") {
  Instance peeperd{counter_config()};
  start_with_journal(peeperd, "$(stat -Lc %d:%i /proc/$$/fd/2)");
  CHECK(peeperd.talk()({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  peeperd.stop();
  std::istringstream lines{peeperd.log()};
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK((line.starts_with("<7>") || line.starts_with("<6>") || line.starts_with("<4>")));
  }
  CHECK(mentions(peeperd.log(), "<4>server counter: worker 1 died: SIGSEGV at 0x0 in 'segv'"));
  CHECK(mentions(peeperd.log(), "<6>peeperd has stopped"));
}

// It is inherited by whatever a service starts, also where stderr leads elsewhere.
TEST_CASE("log: the journal of somebody else's stderr changes nothing") {
  Instance peeperd{counter_config()};
  start_with_journal(peeperd, "$(stat -Lc %d:%i /proc/$$/fd/0)");
  peeperd.stop();
  std::istringstream lines{peeperd.log()};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    CAPTURE(line);
    CHECK(line.starts_with("[20"));
  }
  CHECK(count > 0);
}
