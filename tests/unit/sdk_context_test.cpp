// What a callback asks of the worker, and what the worker gets to see of it.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "peeper/containers.hpp"
#include "peeper/server.hpp"
#include "sdk_test_heap.hpp"
#include "sdk_test_host.hpp"

namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using peeper::Context;
using peeper::test::TestHeap;
using peeper::test::TestHost;
using Lines = std::vector<std::string>;

std::string all_of(const peeper::Dictionary& dictionary) {
  std::string all;
  for (const auto& [key, value] : dictionary) {
    all += std::string(key) + "=" + std::string(value) + ";";
  }
  return all;
}

}  // namespace

TEST_CASE("a late reply names its caller and carries any value") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::From caller{.request = 7, .server = 5, .epoch = 2};
  CHECK(Context().reply(caller, 42));
  CHECK(host.replied.request == 7);
  CHECK(host.replied.server == 5);
  CHECK(host.replied.epoch == 2);
  host.can_reply = false;
  CHECK_FALSE(Context().reply(caller, peeper::error("GONE late")));
  CHECK(host.done == Lines{"reply :42\r\n", "reply -GONE late\r\n"});
}

TEST_CASE("a reply to nobody is refused without asking the worker") {
  TestHeap heap;
  TestHost host(heap);
  CHECK_FALSE(Context().reply(peeper::From{}, 1));
  CHECK(host.done.empty());
  // Each part alone names somebody: another server's first call has no epoch.
  CHECK(Context().reply({.server = 1}, 1));
  CHECK(Context().reply({.epoch = 1}, 1));
}

TEST_CASE("a timer is started with its message and cancelled by its number") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::Timer timer = Context().send_after(1500ms, "tick", 5);
  CHECK(timer == peeper::Timer{1});
  CHECK(host.last_ns == 1'500'000'000);
  (void)Context().send_after(std::chrono::years(300), "late");
  CHECK(host.last_ns == 9'223'372'036'854'775'807);
  CHECK_THROWS_AS((void)Context().send_after(-1s, "never"), std::invalid_argument);

  host.left_ns = 400;
  CHECK(Context().cancel(timer) == 400ns);
  host.left_ns = 0;
  CHECK(Context().cancel(timer) == 0ns);
  host.left_ns = -1;
  CHECK(!Context().cancel(timer));
  CHECK(host.done == Lines{"after tick 5", "after late", "cancel 1", "cancel 1", "cancel 1"});
  // One that was never started.
  CHECK(!Context().cancel(peeper::Timer{}));
  CHECK(host.done.size() == 5);
}

TEST_CASE("messages to servers carry text and numbers as text") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::string in_heap("peeper");
  const std::string text = "std";
  char array[] = "array";
  const std::size_t before = heap.allocations();
  Context().cast("bank", "text", in_heap, text, "literal", "view"sv, array, 'c');
  Context().cast("bank", "numbers", 0, -1, std::numeric_limits<std::int64_t>::min(),
                 std::numeric_limits<std::uint64_t>::max(), std::int8_t{-5}, std::uint8_t{200}, 2.5,
                 1e300, -0.1, true, false);
  Context().send(in_heap, text);
  CHECK(heap.allocations() == before);
  CHECK(host.done == Lines{"cast bank text peeper std literal view array c",
                           "cast bank numbers 0 -1 -9223372036854775808 18446744073709551615 -5 "
                           "200 2.5 1e+300 -0.1 1 0",
                           "send peeper std"});
}

TEST_CASE("a call to a server has five seconds unless it says otherwise") {
  TestHeap heap;
  TestHost host(heap);
  CHECK(Context().call("bank", "balance", 7) == peeper::Reference{1});
  CHECK(host.last_ns == 5'000'000'000);
  CHECK(Context().call(20ms, "bank", "balance", 7, "now") == peeper::Reference{2});
  CHECK(host.last_ns == 20'000'000);
  CHECK_THROWS_AS((void)Context().call(-1ms, "bank", "balance"), std::invalid_argument);
  CHECK(host.done == Lines{"call bank balance 7", "call bank balance 7 now"});
}

TEST_CASE("any value can be published") {
  TestHeap heap;
  TestHost host(heap);
  Context().publish("ticks", 5);
  Context().publish("all", peeper::Value::array({1, "two"}));
  CHECK(host.done == Lines{"publish ticks :5\r\n", "publish all *2\r\n:1\r\n$3\r\ntwo\r\n"});
}

TEST_CASE("a context knows its server and how often it was started") {
  TestHeap heap;
  TestHost host(heap);
  CHECK(Context().server() == "tested");
  CHECK(Context().incarnation() == 3);
}

TEST_CASE("the dictionary keeps bytes by bytes and is gone through in order") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::Dictionary dictionary = Context().dictionary();
  CHECK(dictionary.empty());
  CHECK(all_of(dictionary).empty());
  CHECK(!dictionary.get("b"));
  dictionary.put("b", "2");
  dictionary.put("a\0x"sv, "1");
  dictionary.put("b", "3");
  CHECK(dictionary.size() == 2);
  CHECK(dictionary.get("b") == "3");
  CHECK(all_of(dictionary) == "a\0x=1;b=3;"sv);
  CHECK(dictionary.erase("b"));
  CHECK_FALSE(dictionary.erase("b"));
  CHECK(dictionary.size() == 1);
}

TEST_CASE("an empty key is a key of the dictionary, and its first") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::Dictionary dictionary = Context().dictionary();
  dictionary.put({}, "nothing");
  dictionary.put("a", {});
  CHECK(dictionary.get("") == "nothing");
  CHECK(dictionary.get("a") == "");
  CHECK(all_of(dictionary) == "=nothing;a=;");
  CHECK(dictionary.erase({}));
  CHECK(dictionary.size() == 1);
}

TEST_CASE("keys of the dictionary can be erased behind an iterator") {
  TestHeap heap;
  TestHost host(heap);
  const peeper::Dictionary dictionary = Context().dictionary();
  for (const char* key : {"a", "b", "c"}) dictionary.put(key, "x");
  for (auto at = dictionary.begin(); at != dictionary.end();) {
    const std::string_view key = (*at).first;
    ++at;
    if (key != "b") CHECK(dictionary.erase(key));
  }
  CHECK(all_of(dictionary) == "b=x;");
}

TEST_CASE("without a server, a context throws instead of crashing") {
  const Context context;
  CHECK_THROWS_AS(context.cast("bank", "x"), std::logic_error);
  CHECK_THROWS_AS((void)context.send_after(1s, "x"), std::logic_error);
  CHECK_THROWS_AS((void)context.reply({.request = 1}, 1), std::logic_error);
  CHECK_THROWS_AS((void)context.server(), std::logic_error);
  CHECK_THROWS_AS((void)context.dictionary().get("x"), std::logic_error);
}
