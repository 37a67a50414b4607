// The clients' pure parts: pauses, times, replies as values.
#include <doctest/doctest.h>

#include <cerrno>
#include <limits>
#include <map>
#include <set>

#include "common/client/convert.hpp"
#include "common/client/failures.hpp"
#include "common/client/tokens.hpp"

using namespace peeper;
using namespace std::chrono_literals;

namespace {

resp::Reply reply(std::string_view bytes) {
  auto read = resp::read_value(bytes);
  REQUIRE(read.has_value());
  return std::move(read->reply);
}

template <class T>
T value(std::string_view bytes) {
  const Result<T> got = as<T>(reply(bytes));
  REQUIRE_MESSAGE(got.has_value(), got.error().what);
  return *got;
}

template <class T>
std::string misfit(std::string_view bytes) {
  const Result<T> got = as<T>(reply(bytes));
  REQUIRE_FALSE(got.has_value());
  CHECK(got.error().system_error == EBADMSG);
  return got.error().what;
}

}  // namespace

TEST_SUITE("client parts") {
  TEST_CASE("pauses double up to the longest, each cut at random to no less than half") {
    for (const std::uint32_t random : {0u, 1u, 77u, std::numeric_limits<std::uint32_t>::max()}) {
      Backoff backoff(10ms, 35ms);
      for (const auto whole : {10ms, 20ms, 35ms, 35ms}) {
        const auto pause = backoff.next(random);
        CHECK(pause >= whole / 2);
        CHECK(pause <= whole);
      }
      backoff.reset();
      CHECK(backoff.next(random) <= 10ms);
    }
    Backoff none(0ms, 0ms);
    CHECK(none.next(5) <= 1ms);
  }

  TEST_CASE("the server is asked for its whole time first, and for less than is left later") {
    using client_detail::server_time;
    const ClientOptions options;
    const Command command = Command::call("s", "m").timeout(2000ms);
    CHECK(server_time(command, options, 3000ms) == 2000ms);
    CHECK(server_time(command, options, 2999ms) == 2000ms);
    CHECK(server_time(command, options, 2500ms) == 1500ms);
    CHECK(server_time(command, options, 1000ms) == 500ms);
    CHECK(server_time(command, options, 0ms) == 1ms);
    const Command brief = Command::call("s", "m").timeout(50ms);
    CHECK(server_time(brief, options, 1050ms) == 50ms);
    CHECK(server_time(brief, options, 400ms) == 50ms);
    // Whoever waits for less than the server may take asks it for all of that all the same.
    const Command hasty = Command::call("s", "m").timeout(2000ms).patience(500ms);
    CHECK(client_detail::patience(hasty, options) == 500ms);
    CHECK(server_time(hasty, options, 500ms) == 2000ms);
    CHECK(server_time(hasty, options, 300ms) == 300ms);
  }

  TEST_CASE("times without a sensible end don't overflow") {
    const Command forever = Command::call("s", "m").timeout(std::chrono::milliseconds::max());
    const auto patience = client_detail::patience(forever, {});
    const auto now = client_detail::Clock::now();
    CHECK(client_detail::after(now, patience) > now + 24h);
    CHECK(client_detail::patience(Command::call("s", "m").timeout(-5ms), {}) == 1000ms);
  }

  TEST_CASE("tokens are all different") {
    std::set<std::string> tokens;
    for (int source = 0; source < 100; ++source) {
      TokenSource made;
      for (int i = 0; i < 100; ++i) tokens.insert(made.next());
    }
    CHECK(tokens.size() == 10'000);
  }

  TEST_CASE("replies become values of C++") {
    CHECK(value<int>(":-5\r\n") == -5);
    CHECK(value<std::uint64_t>("(18446744073709551615\r\n") == 18446744073709551615u);
    CHECK(value<long>("$2\r\n42\r\n") == 42);
    CHECK(value<double>(",2.5\r\n") == 2.5);
    CHECK(value<double>(":2\r\n") == 2.0);
    CHECK(value<bool>("#t\r\n"));
    CHECK_FALSE(value<bool>(":0\r\n"));
    CHECK(value<std::string>("+OK\r\n") == "OK");
    CHECK(value<std::string>("=5\r\ntxt:a\r\n") == "a");
    CHECK_FALSE(value<std::optional<int>>("_\r\n").has_value());
    CHECK(value<std::optional<int>>(":1\r\n") == 1);
    CHECK((value<std::vector<int>>("*2\r\n:1\r\n:2\r\n") == std::vector{1, 2}));
    CHECK((value<std::vector<int>>("~1\r\n:1\r\n") == std::vector{1}));
    const auto map = value<std::map<std::string, std::vector<int>>>("%1\r\n+a\r\n*1\r\n:3\r\n");
    CHECK((map.at("a") == std::vector{3}));
  }

  TEST_CASE("what does not fit is told with what there was") {
    CHECK(misfit<std::int8_t>(":128\r\n") ==
          "the reply is the integer 128, not an integer that fits");
    CHECK(misfit<unsigned>(":-1\r\n") == "the reply is the integer -1, not an integer that fits");
    CHECK(misfit<int>("$3\r\n4x2\r\n") == "the reply is '4x2', not an integer that fits");
    CHECK(misfit<int>("_\r\n") == "the reply is null, not an integer that fits");
    CHECK(misfit<bool>(":2\r\n") == "the reply is the integer 2, not a boolean");
    CHECK(misfit<std::string>("*0\r\n") == "the reply is an array of 0, not a text");
    CHECK(misfit<std::vector<int>>("*1\r\n+x\r\n") == "the reply is 'x', not an integer that fits");
    const auto error = as<int>(reply("-CRASHED counter: SIGSEGV\r\n"));
    CHECK(error.error().what == "CRASHED counter: SIGSEGV");
    CHECK(error.error().system_error == EREMOTEIO);
    const Result<resp::Reply> failed = Failure{"no answer", ETIMEDOUT};
    CHECK(as<int>(failed).error().system_error == ETIMEDOUT);
  }
}
