#include "common/client/async_subscription.hpp"

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <future>

#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

ClientOptions options_for(const FakeDaemon& daemon) {
  return {.socket = daemon.socket(), .timeout = 20s, .first_pause = 1ms, .longest_pause = 20ms};
}

std::string tick(int value) {
  return ">3\r\n$7\r\nmessage\r\n$11\r\nclock/ticks\r\n:" + std::to_string(value) + "\r\n";
}

void accept_subscription(Peer& peer, const std::string& early = "") {
  CHECK(peer.next_command() == "HELLO 3");
  peer.say("%0\r\n");
  CHECK(peer.next_command() == "SUBSCRIBE clock/ticks");
  CHECK(peer.next_command() == "PING");
  peer.say(">3\r\n$9\r\nsubscribe\r\n$11\r\nclock/ticks\r\n:1\r\n" + early + "+PONG\r\n");
}

auto into(std::vector<Result<Publication>>& got) {
  return [&got](Result<Publication> publication) { got.push_back(std::move(publication)); };
}

}  // namespace

TEST_SUITE("async subscription") {
  TEST_CASE("publications arrive one at a time, in order, also those that came early") {
    FakeDaemon daemon([&](Peer& peer, int) {
      accept_subscription(peer, tick(1));
      peer.say(tick(2) + tick(3) + tick(4));
      peer.await_end();
    });
    asio::io_context io;
    AsyncSubscription ticks(io, {"clock/ticks"}, options_for(daemon));
    std::vector<int> values;
    auto done = asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
          for (int i = 0; i < 4; ++i) {
            const auto got = co_await ticks.async_next(asio::use_awaitable);
            CHECK(got.value().channel == "clock/ticks");
            CHECK_FALSE(got->missed);
            values.push_back(static_cast<int>(got->value.integer));
          }
        },
        asio::use_future);
    // It returns, for nobody waits any more.
    io.run();
    done.get();
    CHECK((values == std::vector{1, 2, 3, 4}));
  }

  TEST_CASE("several who wait are served in order") {
    FakeDaemon daemon([&](Peer& peer, int) {
      accept_subscription(peer);
      peer.say(tick(1) + tick(2) + tick(3));
      peer.await_end();
    });
    asio::io_context io;
    AsyncSubscription ticks(io, {"clock/ticks"}, options_for(daemon));
    std::vector<Result<Publication>> got;
    ticks.async_next(into(got));
    ticks.async_next(into(got));
    io.run();
    REQUIRE(got.size() == 2);
    io.restart();
    ticks.async_next(into(got));
    io.run();
    REQUIRE(got.size() == 3);
    for (int i = 0; i < 3; ++i) CHECK(got[static_cast<std::size_t>(i)]->value.integer == i + 1);
  }

  TEST_CASE("after a lost connection it subscribes again and says that something may be missing") {
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number == 1 || number == 2) return;  // not yet
      accept_subscription(peer);
      peer.say(tick(number) + tick(number + 1));
      if (number > 0) peer.await_end();
    });
    asio::io_context io;
    AsyncSubscription ticks(io, {"clock/ticks"}, options_for(daemon));
    std::vector<Result<Publication>> got;
    for (int i = 0; i < 4; ++i) ticks.async_next(into(got));
    io.run();
    REQUIRE(got.size() == 4);
    const bool missed[] = {false, false, true, false};
    const int values[] = {0, 1, 3, 4};
    for (std::size_t i = 0; i < 4; ++i) {
      REQUIRE_MESSAGE(got[i].has_value(), got[i].error().what);
      CHECK(got[i]->value.integer == values[i]);
      CHECK(got[i]->missed == missed[i]);
    }
  }

  TEST_CASE("a refusal and a daemon that is away are told to all who wait") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.say("-NOSERVER there is no server 'clock'\r\n");
      peer.await_end();
    });
    asio::io_context io;
    std::vector<Result<Publication>> got;
    AsyncSubscription refused(io, {"clock/ticks"}, options_for(daemon));
    for (int i = 0; i < 2; ++i) refused.async_next(into(got));
    io.run();
    REQUIRE(got.size() == 2);
    for (const auto& each : got) {
      CHECK(each.error().system_error == EREMOTEIO);
      CHECK(each.error().what == "cannot subscribe: NOSERVER there is no server 'clock'");
    }
    ClientOptions options{.socket = "/nowhere/s", .timeout = 30ms, .first_pause = 1ms};
    AsyncSubscription away(io, {"clock/ticks"}, options);
    AsyncSubscription none(io, {}, options);
    away.async_next(into(got));
    none.async_next(into(got));
    io.restart();
    io.run();
    REQUIRE(got.size() == 4);
    CHECK(got[2].error().system_error == EINVAL);
    CHECK(got[3].error().system_error == ENOENT);
  }

  TEST_CASE("who waits may be cancelled, and the rest at the end") {
    std::promise<void> subscribed;
    FakeDaemon daemon([&](Peer& peer, int) {
      accept_subscription(peer);
      subscribed.set_value();
      peer.await_end();
    });
    asio::io_context io;
    std::vector<Result<Publication>> got;
    auto ticks = std::make_unique<AsyncSubscription>(io, std::vector<std::string>{"clock/ticks"},
                                                     options_for(daemon));
    asio::cancellation_signal stop;
    ticks->async_next(into(got));
    ticks->async_next(asio::bind_cancellation_slot(stop.slot(), into(got)));
    auto ready = subscribed.get_future();
    while (ready.wait_for(0s) != std::future_status::ready) io.run_one_for(10ms);
    stop.emit(asio::cancellation_type::terminal);
    while (got.empty()) io.run_one();
    CHECK(got[0].error().system_error == ECANCELED);
    ticks.reset();
    io.run();
    REQUIRE(got.size() == 2);
    CHECK(got[1].error().system_error == ECANCELED);
  }
}
