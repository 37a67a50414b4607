// peeperd's log file when descriptors, or the room for it, run out.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "descriptor_limit.hpp"
#include "file_content.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Of the process; what it was.
rlim_t limit_to(int pid, auto resource, rlim_t most) {
  rlimit limit{};
  REQUIRE(::prlimit(pid, resource, nullptr, &limit) == 0);
  const rlim_t before = std::exchange(limit.rlim_cur, most);
  REQUIRE(::prlimit(pid, resource, &limit, nullptr) == 0);
  return before;
}

std::string config_with(const std::filesystem::path& log) {
  return "[daemon]\nlog_to = \"" + log.string() + "\"\nlog_max_size = \"4KiB\"\n" +
         "[[server]]\nname = \"mine\"\nbehaviour = \"prints\"\nstandby = 0\n" +
         "state_size = \"1MiB\"\n";
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("log file: rotated when clients have all descriptors, where it can't be, it grows") {
  Instance peeperd{""};
  const auto file = peeperd.directory() / "d.log";
  const auto older = peeperd.directory() / "d.1.log";
  std::ofstream{peeperd.config_file()} << config_with(file);
  peeperd.start();
  const int pid = peeperd.daemon().pid();
  Talk talk = peeperd.talk();
  const auto print = [&](const std::string& line) {
    CHECK(talk({"CALL", "mine", "out", line + "\n"}) == "OK");
  };
  const auto await_in = [&](const std::filesystem::path& where, const std::string& line) {
    peeperd.await([&] { return mentions(content_of(where), "out| " + line + "\n"); });
  };
  print("beginning");
  const std::string longest(6'000, 'l');

  const rlim_t before = limit_to(pid, RLIMIT_NOFILE, limit_for(pid, 2));
  std::vector<Talk> clients;
  for (int i = 0; i < 2; ++i) {
    clients.push_back(peeperd.talk());
    CHECK(clients.back()({"PING"}) == "PONG");
  }
  print(longest);
  await_in(file, longest);
  CHECK(mentions(content_of(older), "out| beginning\n"));
  print("short");
  await_in(file, "short");
  CHECK(mentions(content_of(older), "out| " + longest + "\n"));

  // Not even the place of a file that is closed.
  limit_to(pid, RLIMIT_NOFILE, 3);
  print(longest);
  print("shorter");
  print(longest + " again");
  await_in(file, longest + " again");
  const std::string all = content_of(file);
  CHECK(mentions(all, "out| short\n"));
  CHECK(mentions(all, "out| " + longest + "\n"));
  CHECK(mentions(all, "out| shorter\n"));
  const std::string told = line_with(all, "rotated");
  CHECK(mentions(told, "[warning] the log can't be rotated: "));
  CHECK(mentions(told, "Too many open files"));

  limit_to(pid, RLIMIT_NOFILE, before);
  peeperd.await([&] {
    print("later");
    return mentions(content_of(older), "out| shorter\n");
  });
  CHECK(content_of(older).starts_with(all));
  print("last");
  await_in(file, "last");
  CHECK(!std::filesystem::exists(file.string() + ".next"));
  peeperd.stop();
}

TEST_CASE("log file: lines that there is no room for are counted, and nothing else comes to harm") {
  Instance peeperd{""};
  const auto file = peeperd.directory() / "d.log";
  std::ofstream{peeperd.config_file()} << config_with(file);
  peeperd.start();
  const int pid = peeperd.daemon().pid();
  Talk talk = peeperd.talk();
  const rlim_t before = limit_to(pid, RLIMIT_FSIZE, std::filesystem::file_size(file) + 10);
  for (int i = 0; i < 3; ++i)
    CHECK(talk({"CALL", "mine", "out", "no room for this\n"}) == "OK");
  // All three were taken.
  peeperd.await([&] {
    const auto output = talk.reply({"SYS", "OUTPUT", "mine", "9"});
    return output.has_value() && output->elements.size() == 3;
  });
  CHECK(mentions(peeperd.log(), "peeperd: its log can't be written: File too large"));
  limit_to(pid, RLIMIT_FSIZE, before);
  CHECK(talk({"CALL", "mine", "out", "room\n"}) == "OK");
  peeperd.await([&] { return mentions(content_of(file), "out| room\n"); });
  CHECK(!mentions(content_of(file), "no room"));
  CHECK(mentions(content_of(file), " lines of the log could not be written before this: File too "
                                "large\n"));
  peeperd.stop();
}
