// The examples of the top README.md, against a daemon by script.
#include <doctest/doctest.h>

#include <boost/asio.hpp>
#include <string>

#include "common/client/async_client.hpp"
#include "common/client/pipeline.hpp"
#include "fake_daemon.hpp"

using namespace peeper::test;

TEST_SUITE("client") {
  TEST_CASE("the README's examples work") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) { model.play(peer); });
    {
      auto client = peeper::Client::connect({.socket = daemon.socket()});
      REQUIRE(client.has_value());
      auto visits = peeper::as<int>(client->call("visitors", "ann", "inc"));
      CHECK(visits.value() == 1);

      peeper::Pipeline pipeline(*client);
      for (int i = 0; i < 1000; ++i) (void)pipeline.cast("visitors", "visit", i, "inc");
      for (const auto& reply : pipeline.collect()) CHECK((reply && !reply->is_error()));
    }
    boost::asio::io_context io;
    peeper::AsyncClient client(io, {.socket = daemon.socket()});
    int visits = 0;
    auto visit = [&]() -> boost::asio::awaitable<void> {
      auto reply = co_await client.async_call("visitors", "ann", "inc", boost::asio::use_awaitable);
      visits = peeper::as<int>(reply).value();
    };
    boost::asio::co_spawn(io, visit, boost::asio::detached);
    io.run();
    CHECK(visits == 1002);
  }
}
