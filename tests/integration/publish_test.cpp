// What servers publish, through the real peeperd to the client library's subscriptions, also over
// the death of workers and of peeperd.
#include <doctest/doctest.h>
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <functional>

#include "common/client/async_subscription.hpp"
#include "common/client/subscription.hpp"
#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

ClientOptions options_for(const Pair& pair) {
  return {.socket = pair.peeperd.socket(), .timeout = kPatience};
}

Subscription open(const Pair& pair, std::vector<std::string> channels) {
  auto opened = Subscription::open(std::move(channels), options_for(pair));
  REQUIRE(opened.has_value());
  return *std::move(opened);
}

// "CHANNEL VALUE", with '!' before it if some may be missing.
std::string line_of(const Result<Publication>& got) {
  if (!got) return "(failure) " + got.error().what;
  return (got->missed ? "!" : "") + got->channel + " " + got->value.text;
}

std::string next(Subscription& subscription) { return line_of(subscription.next(kPatience)); }

}  // namespace

TEST_CASE("a subscriber gets what its channels' servers publish, in order, and nothing else") {
  Pair pair;
  Subscription both = open(pair, {"a/news", "b/news"});
  Subscription one = open(pair, {"b/news"});
  for (const char* value : {"1", "2"})
    for (const char* server : {"a", "b"})
      CHECK(pair.call({"publish", "news", value}, server) == "OK");
  CHECK(pair.call({"publish", "other", "x"}) == "OK");
  CHECK(pair.call({"then_segv", "publish", "news", "undone"})[0] == '-');
  CHECK(pair.call({"publish", "news", "last"}) == "OK");
  CHECK(pair.call({"publish", "news", "last"}, "b") == "OK");
  for (const char* line : {"b/news 1", "b/news 2", "b/news last"}) CHECK(next(one) == line);
  // Between servers there is no order.
  std::vector<std::string> of_a;
  std::vector<std::string> of_b;
  for (int i = 0; i < 6; ++i) {
    const std::string line = next(both);
    (line[0] == 'a' ? of_a : of_b).push_back(line);
  }
  CHECK(of_a == std::vector<std::string>{"a/news 1", "a/news 2", "a/news last"});
  CHECK(of_b == std::vector<std::string>{"b/news 1", "b/news 2", "b/news last"});
  pair.peeperd.stop();
}

TEST_CASE("a subscription goes on after the worker's death, after peeperd's it says so") {
  Pair pair;
  Subscription subscription = open(pair, {"a/news"});
  CHECK(pair.call({"publish", "news", "1"}) == "OK");
  CHECK(next(subscription) == "a/news 1");
  pair.kill_worker();
  CHECK(pair.call({"publish", "news", "2"}) == "OK");
  CHECK(next(subscription) == "a/news 2");
  CHECK(subscription.losses() == 0);
  for (int i = 1; i <= 2; ++i) {
    pair.peeperd.kill_daemon();
    pair.peeperd.start();
    // It subscribes again when it is asked; that it has is seen by what then arrives.
    std::string line;
    pair.peeperd.await([&] {
      CHECK(pair.call({"publish", "news", "3"}) == "OK");
      line = line_of(subscription.next(std::chrono::milliseconds{100}));
      return !line.starts_with("(failure)");
    });
    CHECK(line == "!a/news 3");
    CHECK(subscription.losses() == static_cast<std::size_t>(i));
  }
  pair.peeperd.stop();
}

TEST_CASE("an asynchronous subscription goes on after peeperd was killed and started again") {
  Pair pair;
  boost::asio::io_context io;
  AsyncSubscription subscription(io, {"a/news"}, options_for(pair));
  std::vector<std::string> lines;
  const std::function<void()> wait = [&] {
    subscription.async_next([&](const Result<Publication>& got) {
      lines.push_back(line_of(got));
      if (got) wait();
    });
  };
  wait();
  const auto publish_until_heard = [&](const char* value) {
    const std::size_t before = lines.size();
    pair.peeperd.await([&] {
      CHECK(pair.call({"publish", "news", value}) == "OK");
      io.run_for(std::chrono::milliseconds{20});
      return lines.size() > before;
    });
    return lines[before];
  };
  CHECK(publish_until_heard("1") == "a/news 1");
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  // What came before the loss may still have been under way.
  while (!publish_until_heard("2").ends_with(" 2")) {
  }
  bool told = false;
  for (const std::string& line : lines) told = told || line == "!a/news 2";
  CHECK(told);
  subscription.close();
  io.run();
  CHECK(lines.back().starts_with("(failure)"));
  pair.peeperd.stop();
}
