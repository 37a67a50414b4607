#include "common/client/async_client.hpp"

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using resp::Reply;

namespace {

ClientOptions options_for(const FakeDaemon& daemon) {
  return {.socket = daemon.socket(), .timeout = 20s, .first_pause = 1ms, .longest_pause = 20ms};
}

// A handler that keeps what it got.
auto into(std::optional<Result<Reply>>& place) {
  return [&place](Result<Reply> reply) {
    REQUIRE_FALSE(place.has_value());
    place = std::move(reply);
  };
}

int error_of(const std::optional<Result<Reply>>& got) {
  REQUIRE(got.has_value());
  REQUIRE_FALSE(got->has_value());
  return got->error().system_error;
}

}  // namespace

TEST_SUITE("async client") {
  TEST_CASE("calls, casts and sends are answered, and run() returns when there is no more to do") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    AsyncClient client(io, options_for(daemon));
    std::optional<Result<Reply>> got[4];
    client.async_call("counter", "inc", into(got[0]));
    client.async_cast("counter", "inc", into(got[1]));
    client.async_send("counter", "x", 5, "y", into(got[2]));
    CHECK_FALSE(got[0].has_value());
    io.run();
    CHECK(as<int>(*got[0]).value() == 1);
    CHECK(as<std::string>(*got[1]).value() == "OK");
    CHECK((*got[2])->is_error());
    io.restart();
    client.async_run(Command::call("counter", "inc").token("mine").timeout(5000ms), into(got[3]));
    io.run();
    CHECK(as<int>(*got[3]).value() == 3);
    const auto asked = model.asked();
    REQUIRE(asked.size() == 5);
    CHECK(joined(asked[0]) == "HELLO 3");
    const std::string token = Model::value_after("ID", asked[3]);
    CHECK(asked[3] == Words{"SEND", "TIMEOUT", "20000", "ID", token, "counter", "x", "5", "y"});
    CHECK(joined(asked[4]) == "CALL ID mine counter inc");
  }

  TEST_CASE("coroutines and futures are served as callbacks are") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    auto work = asio::make_work_guard(io);
    std::thread loop([&] { io.run(); });
    int sum = 0;
    {
      AsyncClient client(io, options_for(daemon));
      auto future = client.async_call("counter", "inc", asio::use_future);
      CHECK(as<int>(future.get()).value() == 1);
      std::future<void> done = asio::co_spawn(
          io,
          [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 10; ++i) {
              sum += *as<int>(co_await client.async_call("counter", "inc", asio::use_awaitable));
            }
          },
          asio::use_future);
      done.get();
    }
    work.reset();
    loop.join();
    CHECK(sum == 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11);
  }

  TEST_CASE("thousands of calls are on their way at once, and answered in order") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    AsyncClient client(io, options_for(daemon));
    int answered = 0;
    int in_place = 0;
    for (int i = 1; i <= 20'000; ++i) {
      client.async_call("counter", "inc", [&, i](const Result<Reply>& reply) {
        ++answered;
        in_place += as<int>(reply).value() == i && answered == i ? 1 : 0;
      });
    }
    io.run();
    CHECK(answered == 20'000);
    CHECK(in_place == 20'000);
  }

  TEST_CASE("a handler may ask again") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    AsyncClient client(io, options_for(daemon));
    int last = 0;
    std::function<void(Result<Reply>)> again = [&](const Result<Reply>& reply) {
      last = as<int>(reply).value();
      if (last < 100) client.async_call("counter", "inc", again);
    };
    client.async_call("counter", "inc", again);
    io.run();
    CHECK(last == 100);
  }

  TEST_CASE("handlers run on the executor they are bound to") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    asio::io_context other;
    AsyncClient client(io, options_for(daemon));
    std::optional<Result<Reply>> got;
    client.async_call("counter", "inc", asio::bind_executor(other, into(got)));
    io.run();
    CHECK_FALSE(got.has_value());
    other.run();
    CHECK(as<int>(*got).value() == 1);
  }

  TEST_CASE("a connection that was lost while nobody asked is made anew, even without tokens") {
    Model model;
    std::promise<void> hung_up;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      for (int i = 0; i < 2; ++i) peer.say(model.answer(peer.next_words()));
      peer.hang_up();
      hung_up.set_value();
    });
    asio::io_context io;
    ClientOptions options = options_for(daemon);
    options.tokens = Tokens::kNone;
    AsyncClient client(io, options);
    std::optional<Result<Reply>> got[2];
    client.async_call("counter", "inc", into(got[0]));
    io.run();
    hung_up.get_future().wait();
    io.restart();
    client.async_call("counter", "inc", into(got[1]));
    io.run();
    REQUIRE_MESSAGE(got[1]->has_value(), got[1]->error().what);
    CHECK((*got[1])->integer == 2);
  }

  TEST_CASE("the move of a client leaves what is open alone") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    std::optional<Result<Reply>> got;
    AsyncClient first(io, options_for(daemon));
    first.async_call("counter", "inc", into(got));
    const AsyncClient second = std::move(first);
    io.run();
    CHECK(as<int>(*got).value() == 1);
  }
}

TEST_SUITE("async client: the end") {
  TEST_CASE("one call is cancelled, the others go on, and its reply is not taken for theirs") {
    std::promise<void> asked;
    std::promise<void> cancelled;
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.next_command();
      asked.set_value();
      cancelled.get_future().wait();
      peer.say(":1\r\n:2\r\n");
      peer.await_end();
    });
    asio::io_context io;
    AsyncClient client(io, options_for(daemon));
    std::optional<Result<Reply>> got[2];
    asio::cancellation_signal stop;
    client.async_call("s", "slow", asio::bind_cancellation_slot(stop.slot(), into(got[0])));
    client.async_call("s", "m", into(got[1]));
    auto was_asked = asked.get_future();
    while (was_asked.wait_for(0s) != std::future_status::ready) io.run_one_for(10ms);
    stop.emit(asio::cancellation_type::terminal);
    while (!got[0]) io.run_one();
    cancelled.set_value();
    io.run();
    CHECK(error_of(got[0]) == ECANCELED);
    CHECK((*got[1])->integer == 2);
  }

  TEST_CASE("a call that is cancelled before anything ran is never sent") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    asio::io_context io;
    AsyncClient client(io, options_for(daemon));
    std::optional<Result<Reply>> got;
    asio::cancellation_signal stop;
    client.async_call("counter", "inc", asio::bind_cancellation_slot(stop.slot(), into(got)));
    stop.emit(asio::cancellation_type::partial);
    io.run();
    CHECK(error_of(got) == ECANCELED);
    CHECK(model.messages().empty());
  }

  TEST_CASE("close and destruction complete what is open") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.await_end();
    });
    asio::io_context io;
    std::optional<Result<Reply>> got[4];
    AsyncClient closed(io, options_for(daemon));
    auto destroyed = std::make_unique<AsyncClient>(io, options_for(daemon));
    for (int i = 0; i < 2; ++i) closed.async_call("s", "m", into(got[i]));
    destroyed->async_call("s", "m", into(got[2]));
    for (int i = 0; i < 4; ++i) io.run_one();
    closed.close();
    closed.async_call("s", "m", into(got[3]));
    destroyed.reset();
    io.run();
    for (const auto& each : got) CHECK(error_of(each) == ECANCELED);
  }

  TEST_CASE("an io_context that ends before its commands destroys their handlers") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.await_end();
    });
    const auto kept = std::make_shared<int>(0);
    for (int turns = 0; turns < 8; ++turns) {
      asio::io_context io;
      AsyncClient client(io, options_for(daemon));
      for (int i = 0; i < 3; ++i) {
        client.async_call("s", "m", [kept](const Result<Reply>&) { FAIL("nobody runs it"); });
      }
      for (int i = 0; i < turns; ++i) io.run_one_for(5ms);
    }
    CHECK(kept.use_count() == 1);
  }
}
