// Who is told what of a State, and when it is asked for: the policy, the process that shows it, and
// the two together with a program in that one's place.
#include <doctest/doctest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "state_watch_fixture.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace peeper::test;
using namespace std::chrono_literals;

namespace {

// What the first question is answered.
std::string answer_of(const std::string& script, std::chrono::milliseconds limit = 20s) {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);
  Observer observer{loop, limit};
  REQUIRE(observer.start(shell(each_time(script))).has_value());
  std::string told;
  observer.ask([&](const Result<Observer::Answer>& answer) {
    told = !answer ? answer.error().what
                   : std::to_string(static_cast<int>(answer->seen)) + " " +
                         std::to_string(answer->sequence) +
                         (answer->value ? " " + *answer->value : "");
  });
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (told.empty() && std::chrono::steady_clock::now() < until) loop.run_one_for(5ms);
  return told;
}

}  // namespace

TEST_CASE("state event: what is shown as before is no news, what can't be shown is") {
  StateAudience audience{StateAudience::First::kIsNoNews};
  CHECK_FALSE(audience.see({1, 1, text(":1\r\n")}));
  CHECK_FALSE(audience.see({2, 2, text(":1\r\n")}));
  const auto event = audience.see({5, 4, text(":2\r\n")});
  REQUIRE(event.has_value());
  CHECK(event->kind == StateEvent::Kind::kChanged);
  CHECK(*event->old == ":1\r\n");
  CHECK(*event->state == ":2\r\n");
  CHECK(event->sequence == 5);
  CHECK(event->changes == 3);
  // There and back again.
  CHECK_FALSE(audience.see({9, 8, text(":2\r\n")}));
  // Seen before it was counted: told once, not twice.
  CHECK(audience.see({10, 4, text(":3\r\n")})->changes == 1);
  CHECK(audience.see({11, 6, text(":4\r\n")})->changes == 1);

  const auto hidden = text("-ERR too large\r\n");
  CHECK(audience.see({12, 7, hidden}).has_value());
  CHECK_FALSE(audience.see({13, 7, hidden}));
  CHECK(audience.see({14, 9, hidden})->changes == 2);
  audience.begin();
  CHECK_FALSE(audience.see({15, 10, text(":5\r\n")}));

  StateAudience told{StateAudience::First::kIsTold};
  CHECK(told.see({1, 1, text(":1\r\n")})->kind == StateEvent::Kind::kObserved);
  CHECK_FALSE(told.see({2, 1, text(":1\r\n")}));
}

TEST_CASE("observer: what it says is the answer, whatever else it does is told") {
  CHECK(answer_of(says(1, 7, 4, ":5\\r\\n")) == "1 7 :5\r\n");
  CHECK(answer_of(says(3, 0, 0, "")) == "3 0");
  CHECK(answer_of(says(4, 0, 0, "")) == "4 0");
  const std::string nonsense = "the process that shows the state wrote nonsense";
  CHECK(answer_of(says(2, 7, 0, "")) == nonsense);  // the same as what?
  CHECK(answer_of(says(1, 7, 0, "")) == nonsense);
  CHECK(answer_of(says(1, 7, 4, ":5\\r\\n:6\\r\\n")) == nonsense);
  CHECK(answer_of(says(9, 7, 4, ":5\\r\\n")) == nonsense);
  CHECK(answer_of("printf '\\001\\000\\000\\000\\000\\000\\000\\000\\001\\000\\000\\000\\000\\000"
                  "\\000\\000\\377\\377\\377\\377\\377\\377\\377\\377" +
                  eight(0) + "' >&3\n") == nonsense);
  CHECK(answer_of("cat /dev/zero >&3\n") == nonsense);
  CHECK(answer_of(says(1, 7, 4, "abcd")) == "the state was shown as no RESP value");
  CHECK(answer_of("kill -SEGV $$\n") == "showing the state crashed: SIGSEGV");
  CHECK(answer_of("exit 0\n") == "the process that shows the state ended");
  CHECK(answer_of("exit 75\n") == "its segment was given another size");
  CHECK(answer_of("sleep 1000\n", 50ms) == "showing the state takes more than 50 ms");
  CHECK(answer_of("printf '\\001' >&3; sleep 1000\n", 50ms) ==
        "showing the state takes more than 50 ms");
}

TEST_CASE("state watch: it asks when something was written, while somebody wants to know") {
  WatchFixture f;
  StateWatch watch{f.loop, f.source, nullptr};
  watch.look();
  CHECK(f.source.started == 0);
  watch.set_followed(true);
  CHECK(f.await([&] { return f.source.published == Lines{"observed :1"}; }));
  CHECK(f.source.armed == 1);
  f.loop.run_for(20ms);
  watch.look();
  f.loop.run_for(20ms);
  CHECK(f.source.published.size() == 1);  // nothing was written
  f.change();
  watch.look();
  CHECK(f.await([&] { return f.source.published == Lines{"observed :1", ":1 to :2"}; }));
  watch.set_followed(false);
  f.change();
  watch.look();
  f.loop.run_for(20ms);
  CHECK(f.source.published.size() == 2);
  CHECK(f.source.started == 1);
  // Others begin anew.
  watch.set_followed(true);
  CHECK(f.await([&] { return f.source.published.size() == 3; }));
  CHECK(f.source.published.back() == "observed :1");
}

TEST_CASE("state watch: a listener that is slow is told all in one, and of how many changes") {
  WatchFixture f;
  StateWatch watch{f.loop, f.source, &f.listener};
  watch.look();
  f.loop.run_for(50ms);
  CHECK(f.listener.told.empty());  // where it begins is no change
  f.change();
  watch.look();
  REQUIRE(f.await([&] { return f.listener.told.size() == 1; }));
  CHECK(f.listener.told[0].ends_with(" (1)"));
  for (int i = 0; i < 7; ++i) f.change();
  CHECK_FALSE(watch.owes_listeners());
  watch.terminated("SIGSEGV");
  CHECK(watch.owes_listeners());
  f.loop.run_for(30ms);
  CHECK(f.listener.told.size() == 1);
  f.listener.ready = true;
  watch.look();
  REQUIRE(f.await([&] { return f.listener.told.size() == 2; }));
  CHECK(f.listener.told[1].ends_with(" (7)"));
  f.listener.ready = true;
  watch.look();
  REQUIRE(f.await([&] { return f.listener.told.size() == 3; }));
  CHECK(f.listener.told[2].starts_with("SIGSEGV :"));
  CHECK_FALSE(watch.owes_listeners());
}

TEST_CASE("state watch: an end is told with a State seen after it, after the changes before it") {
  WatchFixture f;
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  CHECK(f.await([&] { return f.source.published.size() == 1; }));
  f.change();
  watch.look();
  watch.terminated("first");   // at once asked for
  watch.terminated("second");  // too late for that question
  REQUIRE(f.await([&] { return f.source.published.size() >= 5; }));
  CHECK(f.source.published ==
        Lines{"observed :1", ":1 to :2", "first :2", ":2 to :3", "second :3"});
}

TEST_CASE("state watch: where nothing is to be seen it waits, ends are told all the same") {
  WatchFixture f;
  f.source.script = each_time(says(4, 0, 0, ""));
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  CHECK(f.await([&] { return f.source.armed > 0; }));
  const int armed = f.source.armed;
  f.loop.run_for(50ms);
  CHECK(f.source.armed == armed);
  watch.terminated("refused");
  CHECK(f.await([&] { return f.source.published == Lines{"refused _"}; }));

  f.source.published.clear();
  f.source.script = "kill -SEGV $$";
  watch.renew();
  f.loop.run_for(20ms);
  watch.terminated("SIGABRT");
  REQUIRE(f.await([&] { return !f.source.published.empty(); }));
  CHECK(f.source.published[0] ==
        "SIGABRT -ERR counter: showing the state crashed: SIGSEGV");
  f.loop.run_for(50ms);
  CHECK(f.source.started <= 3);  // it pauses
  watch.end();
}

TEST_CASE("state watch: a worker that leaves no gap is asked itself, and seldom") {
  WatchFixture f;
  f.source.script = each_time(says(3, 0, 0, ""));
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return !f.source.published.empty(); }));
  CHECK(f.source.published[0] == "observed +by the worker");
  for (int i = 0; i < 10; ++i) {
    f.change();
    watch.look();
    f.loop.run_for(5ms);
  }
  CHECK(f.source.asked_worker == 1);
}

TEST_CASE("state watch: a worker that can't answer has not changed its State") {
  WatchFixture f;
  f.source.script = each_time(says(3, 0, 0, ""));
  f.source.by_worker = "-TIMEOUT counter: its state was not shown in time\r\n";
  StateWatch watch{f.loop, f.source, nullptr};
  watch.set_followed(true);
  REQUIRE(f.await([&] { return f.source.asked_worker == 1; }));
  f.change();
  watch.look();
  f.loop.run_for(50ms);
  CHECK(f.source.published.empty());
  CHECK(f.source.asked_worker == 1);  // a pause
  f.source.script = "exit 75";
  watch.renew();
  REQUIRE(f.await([&] { return f.source.started >= 3; }));
  const int started = f.source.started;
  f.loop.run_for(250ms);
  CHECK(f.source.started <= started + 3);  // a pause between them
}
