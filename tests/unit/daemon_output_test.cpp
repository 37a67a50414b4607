// What workers write: cut into lines, kept, told on.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "common/limits.hpp"
#include "common/server_channels.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/line_cutter.hpp"
#include "daemon/output/output_log.hpp"
#include "daemon/output/output_values.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

using Lines = std::vector<std::string>;

// A partial one with "~" behind it.
Lines lines_of(LineCutter& cutter) {
  Lines lines;
  while (auto line = cutter.next()) lines.push_back(line->text + (line->is_partial ? "~" : ""));
  return lines;
}

OutputLine line(std::string text, std::uint64_t at_ns = 1, std::uint64_t dropped = 0) {
  OutputLine made;
  made.at_ns = at_ns;
  made.incarnation = 1;
  made.dropped = dropped;
  made.text = std::move(text);
  return made;
}

// As long as it is there nothing is logged.
struct Silence {
  spdlog::level::level_enum before = spdlog::get_level();
  Silence() { spdlog::set_level(spdlog::level::off); }
  ~Silence() { spdlog::set_level(before); }
};

// A daemon of one server's output, and the other ends.
struct World {
  Silence silence;
  static constexpr int kPid = 4711;
  boost::asio::io_context loop;
  TurnClock clock;
  Sockets sockets{clock};
  Lines shown;  // "1out text"
  std::uint64_t dropped = 0;
  OutputLog log{loop, sockets, "s", [this](const OutputLine& line) {
                  dropped += line.dropped;
                  shown.push_back(std::to_string(line.incarnation) +
                                  (line.stream == OutputStream::kOut ? "out " : "err ") +
                                  line.text + (line.is_partial ? "~" : ""));
                }};
  std::array<UniqueFd, 2> theirs;

  World() {
    LaunchSpec spec;
    auto ends = OutputLog::make_ends(spec);
    REQUIRE(ends.has_value());
    CHECK(spec.inherited.size() == 2);
    for (std::size_t i = 0; i < 2; ++i)
      theirs[i].reset(::fcntl(ends->theirs[i].get(), F_DUPFD_CLOEXEC, 0));
    log.watch(kPid, 0, *std::move(ends));
  }
  void write(int which, std::string_view text) {
    REQUIRE(::write(theirs[static_cast<std::size_t>(which)].get(), text.data(), text.size()) ==
            static_cast<ssize_t>(text.size()));
  }
  void turn() {
    sockets.turn();
    loop.poll();
    loop.restart();
  }
};

}  // namespace

TEST_CASE("output: lines come whole, in whatever pieces their bytes come") {
  LineCutter cutter;
  CHECK(lines_of(cutter).empty());
  cutter.add("one\ntw");
  CHECK(lines_of(cutter) == Lines{"one"});
  cutter.add("o\n\n");
  CHECK(lines_of(cutter) == Lines{"two", ""});
  cutter.add("unfinished");
  CHECK(lines_of(cutter).empty());
  const auto rest = cutter.rest();
  REQUIRE(rest.has_value());
  CHECK(rest->text == "unfinished");
  CHECK(rest->is_partial);
  CHECK_FALSE(cutter.rest().has_value());
}

TEST_CASE("output: a line that is too long goes on in the next, and no character is torn") {
  LineCutter cutter;
  const std::string longest(limits::kOutputLineBytes, 'a');
  cutter.add(longest + "\n" + longest + "b\n");
  CHECK(lines_of(cutter) == Lines{longest, longest + "~", "b"});
  const std::string most(limits::kOutputLineBytes - 1, 'a');
  cutter.add(most + "ä!\n");
  CHECK(lines_of(cutter) == Lines{most + "~", "ä!"});
  // What is no UTF-8 is cut somewhere.
  cutter.add(std::string(3 * limits::kOutputLineBytes, '\x80'));
  CHECK(lines_of(cutter).size() == 2);
}

TEST_CASE("output: of a great deal the last lines are kept, and the others counted") {
  LineCutter cutter;
  std::string text;
  for (int i = 1; i <= 100; ++i) text += std::to_string(i) + "\n";
  cutter.add(text);
  CHECK(cutter.keep_last(1'000'000) == 0);
  CHECK(cutter.keep_last(3 * (limits::kOutputLineCost + 4)) == 97);
  CHECK(lines_of(cutter) == Lines{"98", "99", "100"});
  cutter.add("x\n" + std::string(1000, 'y'));
  CHECK(cutter.keep_last(100) == 1);
  CHECK(cutter.rest()->text == std::string(100, 'y'));
}

TEST_CASE("output: the ring keeps the last lines in bounded memory and counts the rest") {
  OutputRing ring;
  std::size_t bytes = 0;
  for (int i = 1; i <= 5000; ++i) {
    ring.add(line(std::string(static_cast<std::size_t>(i % 300), 'x'), 1, i == 7 ? 10 : 0));
    bytes = 0;
    for (const OutputLine& kept : ring.lines()) bytes += kept.text.size() + limits::kOutputLineCost;
    REQUIRE(bytes <= limits::kOutputKeptCost);
    const std::size_t all = static_cast<std::size_t>(i) + (ring.dropped() >= 7 ? 10 : 0);
    REQUIRE(ring.dropped() + ring.lines().size() == all);
  }
  CHECK(ring.lines().back().number == 5000);
  CHECK(ring.lines().size() <= limits::kMostOutputLines);
  CHECK(bytes > limits::kOutputKeptCost / 2);
}

TEST_CASE("output: several servers' lines are merged by time, the last of them all") {
  OutputRing a;
  OutputRing b;
  OutputRing none;
  for (const std::uint64_t at : {1, 4, 5}) a.add(line("a" + std::to_string(at), at));
  for (const std::uint64_t at : {2, 3, 6}) b.add(line("b" + std::to_string(at), at));
  const std::array rings{ServersRing{"a", &a}, ServersRing{"none", &none}, ServersRing{"b", &b}};
  const auto texts = [&](std::size_t most) {
    Lines all;
    for (const ServersLine& found : last_lines(rings, most)) {
      CHECK(found.line->text.starts_with(found.server));
      all.push_back(found.line->text);
    }
    return all;
  };
  CHECK(texts(100) == Lines{"a1", "b2", "b3", "a4", "a5", "b6"});
  CHECK(texts(3) == Lines{"a4", "a5", "b6"});
  CHECK(texts(0).empty());
}

TEST_CASE("output: the oldest line that is kept says how many are gone before it") {
  OutputRing ring;
  for (int i = 0; i < 2000; ++i) ring.add(line(""));
  const std::array rings{ServersRing{"a", &ring}};
  const auto lines = last_lines(rings, 5000);
  REQUIRE(lines.size() == 1024);
  CHECK(lines.front().dropped == 2000 - 1024);
  CHECK(lines.back().dropped == 0);
}

TEST_CASE("output: a line as a value") {
  OutputLine one = line("x\x1b", 1'000'000'000);
  one.number = 7;
  CHECK(output_value({"s", &one, 3}) ==
        "%8\r\n$4\r\ntime\r\n$24\r\n1970-01-01T00:00:01.000Z\r\n$6\r\nserver\r\n$1\r\ns\r\n"
        "$11\r\nincarnation\r\n:1\r\n$6\r\nstream\r\n$3\r\nout\r\n$4\r\nline\r\n$2\r\nx\x1b\r\n"
        "$7\r\npartial\r\n#f\r\n$6\r\nnumber\r\n:7\r\n$7\r\ndropped\r\n:3\r\n");
  CHECK(output_channel("counter") == "counter!output");
}

TEST_CASE("output: what a process writes belongs to the standby, then to the incarnation it is") {
  World world;
  world.write(1, "early\n");
  world.write(0, "begun ");
  world.turn();
  CHECK(world.shown == Lines{"0err early"});
  world.log.became(World::kPid, 5);
  world.write(0, "and ended\n");
  world.turn();
  CHECK(world.shown == Lines{"0err early", "5out begun and ended"});
  CHECK(world.log.ring().lines().size() == 2);
}

TEST_CASE("output: what is in the pipes at a death is taken at once, and nothing after it") {
  World world;
  world.log.became(World::kPid, 2);
  world.write(0, "last\n");
  world.write(1, "words");
  world.log.catch_up(World::kPid);
  CHECK(world.shown == Lines{"2out last"});
  world.write(1, "!");
  // Somebody else holds the other ends, and they stay open.
  world.log.ended(World::kPid);
  CHECK(world.shown == Lines{"2out last", "2err words!~"});
  world.write(0, "of a grandchild\n");
  world.turn();
  CHECK(world.shown.size() == 2);
}

TEST_CASE("output: of a full pipe at a death the last lines are taken, the others are counted") {
  World world;
  ::fcntl(world.theirs[0].get(), F_SETPIPE_SZ, 1 << 20);
  ::fcntl(world.theirs[0].get(), F_SETFL, O_NONBLOCK);
  std::uint64_t written = 0;
  while (::write(world.theirs[0].get(), "0123456789\n", 11) == 11) ++written;
  REQUIRE(written > 2000);
  world.log.ended(World::kPid);
  CHECK(world.shown.size() + world.dropped == written);
  CHECK(world.shown.size() > 500);
  CHECK(world.shown.size() < 1100);
}

TEST_CASE("output: a flood is taken in small portions, and nothing of it is lost") {
  World world;
  ::fcntl(world.theirs[0].get(), F_SETFL, O_NONBLOCK);
  std::uint64_t written = 0;
  const auto write_all_there_is_room_for = [&] {
    while (::write(world.theirs[0].get(), "\n", 1) == 1) ++written;
  };
  write_all_there_is_room_for();
  std::size_t most = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{10};
  while (world.shown.size() < 1000 && std::chrono::steady_clock::now() < until) {
    const std::size_t before = world.shown.size();
    world.turn();
    most = std::max(most, world.shown.size() - before);
    write_all_there_is_room_for();
  }
  CHECK(world.shown.size() >= 1000);
  // A read, and perhaps the end of a pause.
  CHECK(most <= 2 * (limits::kOutputTakenCost / limits::kOutputLineCost) + 2);
  CHECK(world.dropped == 0);
}

TEST_CASE("output: who writes into a pipe that nobody reads any more gets no SIGPIPE") {
  UniqueFd theirs;
  {
    LaunchSpec spec;
    auto ends = OutputLog::make_ends(spec);
    REQUIRE(ends.has_value());
    theirs = std::move(ends->theirs[0]);
  }
  CHECK(::write(theirs.get(), "x\n", 2) == 2);
}
