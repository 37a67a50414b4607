#include <doctest/doctest.h>

#include <chrono>

#include "common/limits.hpp"
#include "daemon/config/nearest.hpp"
#include "daemon/config/values.hpp"

using namespace peeper;
using namespace peeper::config;
using namespace std::chrono_literals;

namespace {

bool mentions(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("\"" << text << "\" lacks \"" << part << "\"");
  return found;
}

}  // namespace

TEST_CASE("a duration is a whole number with its unit") {
  CHECK(*parse_duration("0ms") == 0ms);
  CHECK(*parse_duration("500ms") == 500ms);
  CHECK(*parse_duration("5s") == 5s);
  CHECK(*parse_duration("2m") == 2min);
  CHECK(*parse_duration("1h") == 1h);
  CHECK(*parse_duration("1d") == 24h);
  CHECK(*parse_duration("365d") == kMostDuration);
  for (const char* text : {"", "s", "5 s", "-5s", "+5s", "1.5s", "5S", "5sec", "infinity", "366d",
                           "99999999999999999999s", "18446744073709551615d"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_duration(text).has_value());
  }
  CHECK(mentions(parse_duration("5").error().what, "write \"5s\""));
}

TEST_CASE("a busy poll is auto, off, or a short time") {
  CHECK(*parse_busy_poll("auto") == kAutoBusyPoll);
  CHECK(parse_busy_poll("off")->ns == 0);
  CHECK(parse_busy_poll("1us")->ns == 1'000);
  CHECK(parse_busy_poll("10ms")->ns == kMostBusyPollNs);
  CHECK(!parse_busy_poll("10ms")->adapts);
  for (const char* text : {"", "on", "0us", "11ms", "10001us", "50", "us", "1s", "5 us", "-1us",
                           "99999999999999999999us"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_busy_poll(text).has_value());
  }
}

TEST_CASE("each key of a duration has its own words beside it") {
  CHECK(*parse_timeout("5s") == 5s);
  CHECK_FALSE(parse_timeout("infinity")->has_value());
  CHECK_FALSE(parse_timeout("0s").has_value());
  CHECK_FALSE(parse_timeout("brutal_kill").has_value());
  CHECK(*parse_idle_time("0s") == 0s);
  CHECK_FALSE(parse_idle_time("infinity")->has_value());
  CHECK(*parse_watchdog("5s") == 5s);
  CHECK_FALSE(parse_watchdog("0s")->has_value());
  CHECK_FALSE(parse_watchdog("0")->has_value());
  CHECK_FALSE(parse_watchdog("infinity").has_value());
  CHECK(*parse_shutdown("2s") == Shutdown{Shutdown::Kind::kTimeout, 2s});
  CHECK(parse_shutdown("infinity")->kind == Shutdown::Kind::kInfinity);
  CHECK(parse_shutdown("brutal_kill")->kind == Shutdown::Kind::kBrutalKill);
  CHECK(mentions(parse_shutdown("0s").error().what, "brutal_kill"));
}

TEST_CASE("a size is a number of bytes or has a binary unit") {
  CHECK(*parse_size("65536") == 65'536);
  CHECK(*parse_size("4KiB") == 4 * limits::KiB);
  CHECK(*parse_size("64MiB") == 64 * limits::MiB);
  CHECK(*parse_size("1GiB") == limits::GiB);
  CHECK(*parse_size("1TiB") == 1024 * limits::GiB);
  CHECK(mentions(parse_size("64MB").error().what, "write \"64MiB\""));
  CHECK(mentions(parse_size("64k").error().what, "write \"64KiB\""));
  for (const char* text : {"", "MiB", "-1", "1.5MiB", "64 MiB", "1EiB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_size(text).has_value());
  }
  // What doesn't fit is beyond every bound, not wrapped around.
  CHECK(*parse_size("18446744073709551615TiB") == SIZE_MAX);
  CHECK(*parse_size("99999999999999999999999") == SIZE_MAX);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, 3 * limits::KiB, limits::GiB,
                                 limits::MiB + 1, 1024 * limits::GiB}) {
    CHECK(*parse_size(size_text(size)) == size);
  }
  CHECK(size_text(64 * limits::MiB) == "64MiB");
}

TEST_CASE("the socket may be opened to its group but not to everybody") {
  CHECK(*parse_socket_mode("0600") == 0600);
  CHECK(*parse_socket_mode("660") == 0660);
  CHECK(*parse_socket_mode("0770") == 0770);
  CHECK(mentions(parse_socket_mode("0666").error().what, "0660"));
  CHECK(mentions(parse_socket_mode("0060").error().what, "own user"));
  for (const char* text :
       {"", "6", "0o600", "0800", "1600", "00600", "-600", "0600 ", "rw-------"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_socket_mode(text).has_value());
  }
}

TEST_CASE("a server's name has only characters that are safe in a segment's name") {
  for (const char* text : {"a", "counter", "Shop.eu-1_b", "_x", "9"}) {
    CHECK(*parse_server_name(text) == text);
  }
  CHECK(parse_server_name(std::string(limits::kServerNameBytes, 'x')).has_value());
  CHECK_FALSE(parse_server_name(std::string(limits::kServerNameBytes + 1, 'x')).has_value());
  for (const char* text : {"", ".", ".a", "-a", "a b", "a/b", "../a", "a\n", "z\xc3\xa4hler"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_server_name(text).has_value());
  }
}

TEST_CASE("an instance's name has no dot because the dot ends it in a segment's name") {
  CHECK(*parse_instance("demo-1_x") == "demo-1_x");
  CHECK(parse_instance(std::string(limits::kInstanceNameBytes, 'x')).has_value());
  CHECK_FALSE(parse_instance(std::string(limits::kInstanceNameBytes + 1, 'x')).has_value());
  for (const char* text : {"", "a.b", "a/b", " "}) CHECK_FALSE(parse_instance(text).has_value());
}

TEST_CASE("a socket's path fits the system's address") {
  CHECK(parse_socket_path(std::string(kSocketPathBytes, 'x')).has_value());
  CHECK(mentions(parse_socket_path(std::string(kSocketPathBytes + 1, 'x')).error().what, "107"));
  CHECK_FALSE(parse_socket_path("").has_value());
  CHECK_FALSE(parse_socket_path(std::string_view("a\0b", 3)).has_value());
}

TEST_CASE("text from a file is shown without what a terminal would obey") {
  CHECK(in_quotes("a\x1b[31mb\n") == "\"a?[31mb?\"");
  CHECK(in_quotes(std::string(200, 'x')).size() < 100);
}

TEST_CASE("the distance of two words counts inserted and lost and replaced and swapped letters") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("state", "state") == 0);
  CHECK(edit_distance("max_restart", "max_restarts") == 1);
  CHECK(edit_distance("sokcet", "socket") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("abc", "") == 3);
}

TEST_CASE("a suggestion is the nearest word and never one that is far away") {
  constexpr std::string_view known[] = {"max_restarts", "max_seconds", "name"};
  CHECK(nearest("max_restart", known) == "max_restarts");
  CHECK(nearest("nmae", known) == "name");
  CHECK(nearest("colour", known).empty());
  CHECK(nearest("x", known).empty());
  CHECK(nearest(std::string(100'000, 'm'), known).empty());
}
