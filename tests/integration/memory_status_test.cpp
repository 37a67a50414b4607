// What SYS GET_STATUS says of a server's memory, as its state grows and shrinks.
#include <doctest/doctest.h>

#include "common/segment/segment.hpp"
#include "instance.hpp"
#include "require.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr std::int64_t kStateSize = 16 << 20;

struct Memory {
  std::int64_t used = 0;
  std::int64_t reserved = 0;
  std::int64_t high_water = 0;
  std::int64_t limit = 0;
  std::int64_t break_even = 0;  // of the worker that runs, which has measured it

  bool operator==(const Memory& other) const {
    return used == other.used && reserved == other.reserved && high_water == other.high_water &&
           limit == other.limit;
  }
};

Memory memory_of(Talk& talk, std::string_view server) {
  // A message's figures are stored when its answer is out. When this one is answered, they are.
  (void)talk({"CALL", server, "GET", "nothing"});
  const auto map = talk.reply({"SYS", "GET_STATUS", server});
  require(map.has_value(), text_of(map));
  const auto number = [&](std::string_view name) {
    const resp::Reply* found = map->field(name);
    require(found != nullptr, "no field " + std::string(name));
    return found->integer;
  };
  return {number("heap_used"), number("heap_reserved"), number("heap_high_water"),
          number("state_size"), number("break_even")};
}

void fill(Talk& talk, int from, int to) {
  const std::string value(1000, 'v');
  for (int i = from; i < to; ++i)
    REQUIRE(talk({"CALL", "kv", "SET", "key" + std::to_string(i), value}) == "OK");
}

}  // namespace

TEST_CASE("the status shows what of its memory a server uses, has reserved, and has ever used") {
  Instance peeperd{"[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nmax_restarts = 1000\n"
                   "state_size = \"16MiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Memory empty = memory_of(talk, "kv");
  CHECK(empty.limit == kStateSize);
  CHECK(empty.reserved == static_cast<std::int64_t>(segment::kFirstHeapBytes));
  CHECK(empty.used > 0);
  CHECK(empty.used < empty.reserved);
  CHECK(empty.high_water > 0);
  CHECK(empty.high_water < empty.reserved);
  CHECK(empty.break_even > 0);

  fill(talk, 0, 1000);
  const Memory full = memory_of(talk, "kv");
  CHECK(full.used > empty.used + 1'000'000);
  CHECK(full.used < empty.used + 1'500'000);
  CHECK(full.high_water > empty.high_water + 1'000'000);
  CHECK(full.high_water <= full.reserved);
  CHECK(full.reserved >= full.used);
  CHECK(full.reserved <= 4 << 20);  // by steps, not all that it may have
  CHECK(full.limit == kStateSize);

  REQUIRE(talk({"CALL", "kv", "FLUSHALL"}) == "OK");
  const Memory shrunk = memory_of(talk, "kv");
  CHECK(shrunk.used < empty.used + 100'000);
  CHECK(shrunk.high_water == full.high_water);
  CHECK(shrunk.reserved == full.reserved);

  // What is free again is used again.
  fill(talk, 0, 500);
  const Memory half = memory_of(talk, "kv");
  CHECK(half.used > shrunk.used + 500'000);
  CHECK(half.used < full.used);
  CHECK(half.high_water == full.high_water);
  CHECK(half.reserved == full.reserved);

  // All of it belongs to the state: no process's death changes it.
  peeperd.kill("kv", {.worker = true, .keeper = false, .daemon = false});
  CHECK(memory_of(talk, "kv") == half);
  peeperd.kill_all_three("kv");
  peeperd.start();
  Talk again = peeperd.talk();
  CHECK(memory_of(again, "kv") == half);
  peeperd.stop();
}
