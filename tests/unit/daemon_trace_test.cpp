// What followers of a trace are told, how much of it, and how `peeper trace` shows it.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/resp/reply.hpp"
#include "daemon/cli/trace.hpp"
#include "daemon/inspection/debug.hpp"
#include "daemon/inspection/trace_events.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

resp::Reply read(std::string_view value) {
  auto read = resp::read_value(value);
  REQUIRE(read.has_value());
  CHECK(read->bytes == value.size());
  return std::move(read->reply);
}

std::int64_t number(const resp::Reply& event, std::string_view key) {
  const resp::Reply* value = event.field(key);
  return value == nullptr ? -1 : value->integer;
}

std::string shown(const TraceEvent& event) { return cli::render_trace(read(trace_value(event))); }

}  // namespace

TEST_CASE("trace: a thousand events a second are told, the others counted, and told of once") {
  TraceSample sample;
  int told = 0;
  for (int i = 0; i < 1'500; ++i)
    if (sample.admits(7 * kSecond + static_cast<std::uint64_t>(i))) ++told;
  CHECK(told == 1'000);
  CHECK_FALSE(sample.admits(8 * kSecond - 1));
  CHECK(sample.admits(8 * kSecond));
  CHECK(sample.take_dropped() == 501);
  CHECK(sample.take_dropped() == 0);
  for (int i = 1; i < 1'000; ++i) CHECK(sample.admits(8 * kSecond));
  CHECK_FALSE(sample.admits(8 * kSecond));
  CHECK(sample.take_dropped() == 1);
}

TEST_CASE("trace: who doesn't follow is told nothing, and who follows again nothing of before") {
  std::vector<std::string> told;
  Debug debug{"s", {}, [](std::string_view) {},
              [&](std::string_view value) { told.emplace_back(value); }};
  debug.happened("one");
  CHECK(told.empty());
  debug.set_followed(Switch::kOn);
  CHECK(debug.on());
  for (int i = 0; i < 3'000; ++i) debug.happened("two");
  CHECK(told.size() >= 1'000);
  CHECK(told.size() <= 2'000);  // a second may have ended meanwhile
  debug.set_followed(Switch::kOff);
  CHECK_FALSE(debug.on());
  told.clear();
  debug.set_followed(Switch::kOn);
  debug.happened("three");
  REQUIRE(told.size() == 1);
  CHECK(number(read(told[0]), "dropped") == 0);
  CHECK(read(told[0]).field("event")->text == "three");
}

TEST_CASE("trace: of long texts the beginning is told, of many arguments the first, with how many") {
  const std::string name(300, 'n');
  std::vector<std::string_view> strings(20, "argument");
  strings[0] = name;
  const resp::Reply event = read(trace_value({.event = "got", .kind = "call", .strings = strings}));
  CHECK(event.field("message")->text == std::string(256, 'n') + "… (300 bytes)");
  CHECK(event.field("arguments")->elements.size() == 16);
  CHECK(number(event, "arguments_left_out") == 3);
  const std::string reply = "$400\r\n" + std::string(400, 'r') + "\r\n";
  CHECK(read(trace_value({.event = "replied", .value = reply})).field("reply")->text ==
        "(408 bytes)");
  CHECK(number(read(trace_value({.event = "replied", .value = ":1\r\n", .ns = 12'345'678})), "us") ==
        12'345);
}

TEST_CASE("trace: a line an event, and one before it of those that were left out") {
  const std::vector<std::string_view> strings{"add", "a b", "5"};
  CHECK(shown({.time = "T", .event = "got", .kind = "call", .who = "client 7", .strings = strings}) ==
        "T got call from client 7: add \"a b\" 5\n");
  CHECK(shown({.time = "T", .event = "got", .kind = "cast", .strings = strings, .dropped = 1}) ==
        "T 1 event was not told\nT got cast: add \"a b\" 5\n");
  CHECK(shown({.time = "T", .event = "replied", .who = "client 7", .value = ":42\r\n",
               .ns = 1'234'567, .dropped = 17}) ==
        "T 17 events were not told\nT replied to client 7: 42 (1.234 ms)\n");
  CHECK(shown({.time = "T", .event = "replied", .value = "-ERR no\r\n"}) ==
        "T replied: (error) ERR no\n");
  CHECK(shown({.time = "T", .event = "crashed: SIGSEGV"}) == "T crashed: SIGSEGV\n");
  const std::vector<std::string_view> many(19, "x");
  CHECK(shown({.time = "T", .event = "got", .kind = "info", .strings = many})
            .ends_with(" x … (2 more)\n"));
  const std::vector<std::string_view> evil{"a\x1b[2J\nb", "\r"};
  const std::string line = shown({.time = "T", .event = "got", .kind = "call", .strings = evil});
  CHECK(line.find('\x1b') == line.npos);
  CHECK(line.find('\n') == line.size() - 1);
}
