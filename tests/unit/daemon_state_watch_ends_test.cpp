// Who is told what of a State that can't be seen, that is seen late, or by others who came before;
// and of ends meanwhile.
#include <doctest/doctest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "state_watch_fixture.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("state event: the same sight twice is news once, also with a count that lags or falls") {
  const auto hidden = text("-ERR too large\r\n");
  StateAudience audience{StateAudience::First::kIsTold};
  REQUIRE(audience.see({1, 5, text(":1\r\n")}));
  CHECK(audience.see({2, 5, hidden})->changes == 1);
  CHECK_FALSE(audience.see({2, 5, hidden}));
  CHECK_FALSE(audience.see({3, 6, hidden}));  // the change that was told is counted now
  CHECK(audience.see({4, 7, hidden})->changes == 1);
  CHECK_FALSE(audience.see({5, 2, hidden}));
}

TEST_CASE("state watch: a State that can't be shown is told once a change, whatever is counted") {
  WatchFixture f;
  f.source.script = each_time("if [ $n = 1 ]; then " + says(1, 1, 4, ":1\\r\\n") + "else " +
                              says(1, 2, 8, "-ERR x\\r\\n") + "fi\n");
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.published.size() == 1; }));
  ++f.source.moment.writes;  // its change isn't counted yet
  watch.look();
  REQUIRE(f.await([&] { return f.source.published.size() >= 2; }));
  f.loop.run_for(20ms);
  CHECK(f.source.published == Lines{"observed :1", ":1 to -ERR x"});
}

TEST_CASE("state watch: a busy listener is told each end, one by one, where there is no State") {
  WatchFixture f;
  f.source.script = each_time(says(4, 0, 0, ""));
  StateWatch watch{f.loop, f.source, &f.listener};
  f.listener.ready = false;
  for (const char* reason : {"first", "second", "third"}) watch.terminated(reason);
  for (std::size_t told = 1; told <= 3; ++told) {
    f.listener.ready = true;
    watch.look();
    CHECK(f.await([&] { return f.listener.told.size() == told; }));
  }
  CHECK(f.listener.told == Lines{"first _ (0)", "second _ (0)", "third _ (0)"});
  CHECK_FALSE(watch.owes_listeners());
}

TEST_CASE("state watch: while the State can't be seen, an end is told at once, with why") {
  WatchFixture f;
  f.source.script = "kill -SEGV $$";
  StateWatch watch{f.loop, f.source, &f.listener};
  watch.set_followed(true);
  watch.terminated("first");
  REQUIRE(f.await([&] { return !f.listener.told.empty() && !f.source.published.empty(); }));
  f.listener.ready = true;
  watch.terminated("second");
  const std::string why = " -ERR counter: showing the state crashed: SIGSEGV";
  CHECK(f.source.published == Lines{"first" + why, "second" + why});
  CHECK(f.listener.told == Lines{"first" + why + " (0)", "second" + why + " (0)"});
}

TEST_CASE("state watch: a change that a busy listener wasn't told comes before the end after it") {
  WatchFixture f;
  f.source.script = each_time("case $n in\n1) " + says(1, 1, 4, ":1\\r\\n") + ";;\n2) " +
                              says(1, 2, 4, ":2\\r\\n") + ";;\n*) " + says(4, 0, 0, "") +
                              ";;\nesac\n");
  StateWatch watch{f.loop, f.source, &f.listener};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.published.size() == 1; }));
  f.listener.ready = false;
  f.change();
  watch.look();
  REQUIRE(f.await([&] { return f.source.published.size() == 2; }));
  watch.terminated("gone");
  REQUIRE(f.await([&] { return f.source.published.size() == 3; }));
  CHECK(f.listener.told.empty());
  f.listener.ready = true;
  watch.look();
  CHECK(f.listener.told == Lines{":1 to :2 (1)"});
  f.listener.ready = true;
  watch.look();
  CHECK(f.listener.told.back() == "gone _ (0)");
}

TEST_CASE("state watch: who comes is shown what is seen after that, not what others saw before") {
  WatchFixture f;
  StateWatch watch{f.loop, f.source, &f.listener};
  watch.look();
  REQUIRE(f.await([&] { return f.source.armed != 0; }));
  f.change();
  watch.look();
  REQUIRE(f.await([&] { return f.listener.told.size() == 1; }));
  const int asked = f.source.armed;
  f.change();  // the listener is busy with what was before: nobody looks
  watch.look();
  f.loop.run_for(20ms);
  CHECK(f.source.armed == asked);
  watch.set_followed(true);
  CHECK(f.source.published.empty());
  REQUIRE(f.await([&] { return !f.source.published.empty(); }));
  CHECK(f.source.published == Lines{"observed :3"});
}

TEST_CASE("state watch: what the worker was asked for by those who have left is shown to nobody") {
  WatchFixture f;
  f.source.script = each_time(says(3, 0, 0, ""));
  f.source.is_worker_slow = true;
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.asked_worker == 1; }));
  watch.set_followed(false);
  f.source.by_worker_later("+of old\r\n");
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.asked_worker == 2; }));
  CHECK(f.source.published.empty());
  f.source.by_worker_later("+of now\r\n");
  CHECK(f.source.published == Lines{"observed +of now"});
}

TEST_CASE("state watch: a worker that can't answer is asked ever more seldom") {
  WatchFixture f;
  f.source.script = each_time(says(3, 0, 0, ""));
  f.source.by_worker = "-ERR counter: too large\r\n";
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.asked_worker == 2; }));  // 1 s
  f.loop.run_for(1500ms);                                        // of 2 s
  CHECK(f.source.asked_worker == 2);
}

TEST_CASE("state watch: an observer that ends while commits are made is followed by another soon") {
  WatchFixture f;
  f.source.script = each_time("sleep 0.05; kill -SEGV $$\n");
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  watch.terminated("seen");
  f.change();
  REQUIRE(f.await([&] {
    f.change();
    return f.source.started == 2;
  }));
  f.source.script = each_time(says(1, 9, 4, ":1\\r\\n"));
  REQUIRE(f.await([&] {
    f.change();
    return f.source.published.size() == 2;
  }));
  CHECK(f.source.published == Lines{"observed :1", "seen :1"});
  // But not for ever.
  f.source.script = each_time("kill -SEGV $$\n");
  f.source.started = 0;
  watch.renew();
  f.await([&] {
    f.change();
    return f.source.started == 5;
  });
  watch.terminated("gone");
  CHECK(f.source.published.back() == "gone -ERR counter: showing the state crashed: SIGSEGV");
}

TEST_CASE("state watch: an observer that says nonsense is no torn State, whatever was committed") {
  WatchFixture f;
  f.source.script = each_time("sleep 0.05; cat /dev/zero >&3\n");
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  watch.terminated("gone");
  REQUIRE(f.await([&] {
    f.change();
    return !f.source.published.empty();
  }));
  CHECK(f.source.started == 1);
  CHECK(f.source.published[0] ==
        "gone -ERR counter: the process that shows the state wrote nonsense");
}

TEST_CASE("state watch: changes told are those until what is seen, however many follow meanwhile") {
  WatchFixture f;
  f.source.moment.changes = f.source.moment.changes_before = 20;
  namespace fs = std::filesystem;
  const fs::path asked = fs::temp_directory_path() / ("asked." + std::to_string(::getpid()));
  f.source.script =
      each_time("if [ $n = 1 ]; then " + says(1, 1, 4, ":1\\r\\n") + "else : > " +
                asked.string() + "\nwhile [ -e " + asked.string() + " ]; do sleep 0.01; done\n" +
                says(1, 2, 4, ":2\\r\\n", 3) + "fi\n");
  StateWatch watch{f.loop, f.source, &f.listener};
  watch.look();
  REQUIRE(f.await([&] { return f.source.armed != 0; }));
  f.change();
  watch.look();
  REQUIRE(f.await([&] { return fs::exists(asked); }));
  for (int i = 0; i < 6; ++i) f.change();  // 2 of them before it was seen
  fs::remove(asked);
  REQUIRE(f.await([&] { return !f.listener.told.empty(); }));
  CHECK(f.listener.told.front() == ":1 to :2 (3)");
}

TEST_CASE("state watch: an end that is owed when the server goes is told with what was seen last") {
  WatchFixture f;
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.published.size() == 1; }));
  watch.terminated("shutdown");
  watch.end();
  CHECK(f.source.published == Lines{"observed :1", "shutdown :1"});
  f.change();
  watch.look();
  watch.end();
  CHECK(f.source.published.size() == 2);
}
