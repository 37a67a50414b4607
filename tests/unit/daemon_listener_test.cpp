// The daemon's part in listeners: the link to a keeper, which listener is left out when, and what a
// keeper writes.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>

#include "daemon/listeners/listener_fates.hpp"
#include "daemon/listeners/listener_link.hpp"
#include "daemon/output/keeper_log.hpp"
#include "daemon/supervision/lifecycle.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

// A link, with the test in the keeper's part.
struct Linked {
  boost::asio::io_context loop;
  int ready = 0;
  ListenerLink link{loop, "counter", [this] { ++ready; }};
  UniqueFd keeper;
  UniqueFd mark;

  Linked() { open(); }
  void open() {
    LaunchSpec spec;
    auto theirs = link.open(spec);
    REQUIRE(theirs.has_value());
    REQUIRE(spec.inherited.size() == 2);
    CHECK(spec.inherited[0].second == launch::kListenFd);
    CHECK(spec.inherited[1].second == launch::kListenMarkFd);
    mark.reset(::fcntl(spec.inherited[1].first, F_DUPFD_CLOEXEC, 0));
    keeper = *std::move(theirs);
  }
  void settle() {
    loop.restart();
    loop.poll();
  }
  void acknowledge(std::string_view bytes = "x") {
    REQUIRE(::send(keeper.get(), bytes.data(), bytes.size(), 0) > 0);
    settle();
  }
  void set_mark(std::uint64_t number) {
    REQUIRE(::write(mark.get(), &number, sizeof number) == sizeof number);
  }
  // What has come, until there is no more.
  std::string received() {
    std::string all;
    char buffer[64 * 1024];
    while (true) {
      settle();
      const ssize_t got = ::recv(keeper.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
};

ListenerEvent change(std::uint64_t sequence, std::string before, std::string after) {
  ListenerEvent event;
  event.sequence = sequence;
  event.changes = 3;
  event.old_state = std::make_shared<const std::string>(std::move(before));
  event.state = std::make_shared<const std::string>(std::move(after));
  return event;
}

launch::ToListeners head_of(const std::string& bytes) {
  launch::ToListeners head{};
  REQUIRE(bytes.size() >= sizeof head);
  std::memcpy(&head, bytes.data(), sizeof head);
  return head;
}

}  // namespace

TEST_CASE("listener link: one event at a time, the next when it was acknowledged") {
  Linked linked;
  CHECK_FALSE(linked.link.is_ready());
  CHECK_FALSE(linked.link.tell(change(1, ":1\r\n", ":2\r\n")));
  linked.link.attached();
  CHECK(linked.link.is_ready());
  CHECK(linked.ready == 0);  // not from within
  linked.settle();
  CHECK(linked.ready == 1);

  CHECK(linked.link.tell(change(5, ":1\r\n", ":22\r\n")));
  CHECK_FALSE(linked.link.is_ready());
  CHECK_FALSE(linked.link.tell(change(6, ":1\r\n", ":2\r\n")));
  const std::string bytes = linked.received();
  const launch::ToListeners head = head_of(bytes);
  CHECK(head.event == launch::Told::kChanged);
  CHECK(head.sequence == 5);
  CHECK(head.changes == 3);
  CHECK(head.reason_bytes == 0);
  CHECK(head.old_bytes == 4);
  CHECK(head.state_bytes == 5);
  CHECK(bytes.substr(sizeof head) == ":1\r\n:22\r\n");
  linked.acknowledge();
  CHECK(linked.link.is_ready());
  CHECK(linked.ready == 2);
  CHECK(linked.link.acknowledged() == 1);

  ListenerEvent end;
  end.event = launch::Told::kTerminated;
  end.reason = std::string(2 * launch::kReasonBytes, 'r');
  CHECK(linked.link.tell(std::move(end)));
  CHECK(linked.received().size() == sizeof(launch::ToListeners) + launch::kReasonBytes);
}

TEST_CASE("listener link: a large state goes over in pieces, and nobody waits for a slow keeper") {
  Linked linked;
  linked.link.attached();
  const std::string large(8 << 20, 'x');
  CHECK(linked.link.tell(change(5, large, ":2\r\n")));
  linked.settle();
  const std::string bytes = linked.received();
  CHECK(bytes.size() == sizeof(launch::ToListeners) + large.size() + 4);
  CHECK(bytes.ends_with("x:2\r\n"));
  linked.acknowledge();
  CHECK_FALSE(linked.link.tell(change(6, std::string(limits::kInspectedBytes + 1, 'x'), "")));
  CHECK(linked.link.is_ready());
}

TEST_CASE("listener link: acknowledgements of nothing change nothing") {
  Linked linked;
  linked.link.attached();
  linked.settle();
  linked.acknowledge("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  CHECK(linked.link.is_ready());
  CHECK(linked.link.acknowledged() == 0);
  CHECK(linked.ready == 1);
  CHECK(linked.link.tell(change(5, ":1\r\n", ":2\r\n")));
  linked.acknowledge("xxx");
  CHECK(linked.link.acknowledged() == 1);
}

TEST_CASE("listener link: a keeper's death, and its mark, say which listener ran") {
  Linked linked;
  linked.link.attached();
  CHECK(linked.link.tell(change(5, std::string(8 << 20, 'x'), ":2\r\n")));  // still going over
  linked.set_mark(2);
  linked.link.closed();
  CHECK(linked.link.running_listener() == 2);
  CHECK_FALSE(linked.link.running_listener().has_value());
  CHECK_FALSE(linked.link.is_ready());
  linked.open();
  CHECK_FALSE(linked.link.is_ready());
  linked.link.attached();
  linked.settle();
  CHECK(linked.link.is_ready());
  CHECK(linked.received().empty());  // what the former one wasn't told of to the end
  linked.link.closed();
  CHECK_FALSE(linked.link.running_listener().has_value());
}

TEST_CASE("listener fates: a fourth keeper in a minute is one too many, and only that one is off") {
  ListenerFates fates{{"log", "wicked", "journal"}, 10s};
  const Instant start{};
  CHECK(fates.begin_keeper() == std::vector<std::size_t>{0, 1, 2});
  for (int i = 0; i < 3; ++i) CHECK(fates.died_in(1, start + i * 20s) == ListenerFates::State::kOn);
  // The first is long ago by now.
  CHECK(fates.died_in(1, start + 61s) == ListenerFates::State::kOn);
  CHECK(fates.died_in(1, start + 62s) == ListenerFates::State::kOff);
  CHECK(fates.begin_keeper() == std::vector<std::size_t>{0, 2});
  CHECK(fates.all()[1].crashes == 5);
  CHECK(fates.any_on());
  fates.start_over();
  CHECK(fates.begin_keeper() == std::vector<std::size_t>{0, 1, 2});
  CHECK(fates.died_in(1, start + 62s) == ListenerFates::State::kOn);
}

TEST_CASE("listener fates: one that hangs for long each time is off as well") {
  ListenerFates fates{{"hangs"}, 60s};
  Instant now{};
  for (int i = 0; i < 3; ++i) CHECK(fates.died_in(0, now += 61s) == ListenerFates::State::kOn);
  CHECK(fates.died_in(0, now += 61s) == ListenerFates::State::kOff);
  CHECK_FALSE(fates.any_on());
}

TEST_CASE("listener fates: one that could not be made is tried again with the next keeper") {
  ListenerFates fates{{"log", "gone"}, std::nullopt};
  fates.failed(1, "no such file");
  CHECK(fates.all()[1].state == ListenerFates::State::kFailed);
  CHECK(fates.all()[1].why == "no such file");
  CHECK(fates.begin_keeper().size() == 2);
}

TEST_CASE("listener: a keeper that one takes along is replaced, whatever the strategy says") {
  for (const config::Strategy strategy :
       {config::Strategy::kOneForOne, config::Strategy::kOneForAll,
        config::Strategy::kRestForOne}) {
    Lifecycle life{{.restart = config::Restart::kPermanent,
                    .supervisor = {strategy, 0, std::chrono::seconds{5},
                                   config::AutoShutdown::kNever},
                    .retry = {},
                    .asks = false,
                    .may_begin_anew = false}};
    const auto on = [&life](Event event) { return on_event(life, event, Instant{}); };
    (void)on({EventType::kStart});
    (void)on({EventType::kKeeperAttached});
    (void)on({EventType::kKeeperRecovered});
    (void)on({EventType::kWorkerReady});
    for (int i = 0; i < 10; ++i) {
      const Actions actions = on({.type = EventType::kKeeperDied, .of_listener = true});
      CHECK(actions == Actions{Action::kLaunchKeeper});
      CHECK(on({EventType::kKeeperAttached}).empty());
      CHECK(life.worker == WorkerStage::kReady);
    }
    CHECK(life.goal == Goal::kRun);
    (void)on({EventType::kKeeperDied});  // by itself: one too many
    CHECK(life.goal == Goal::kDown);
  }
}

TEST_CASE("listener link: an early acknowledgement doesn't mix two events") {
  Linked linked;
  linked.link.attached();
  linked.settle();
  const std::string large(8 << 20, 'x');
  CHECK(linked.link.tell(change(5, large, ":2\r\n")));
  linked.acknowledge();
  CHECK(linked.link.acknowledged() == 1);
  CHECK_FALSE(linked.link.is_ready());
  CHECK_FALSE(linked.link.tell(change(6, ":1\r\n", ":2\r\n")));
  const int ready = linked.ready;
  const std::string bytes = linked.received();
  CHECK(bytes.size() == sizeof(launch::ToListeners) + large.size() + 4);
  CHECK(linked.link.is_ready());
  CHECK(linked.ready == ready + 1);
}

TEST_CASE("listener link: a keeper that has closed its end isn't waited for, and that is logged") {
  Linked linked;
  linked.link.attached();
  linked.settle();
  CHECK(linked.link.tell(change(5, ":1\r\n", ":2\r\n")));
  std::ostringstream logged;
  const auto before = spdlog::default_logger();
  const auto logger = std::make_shared<spdlog::logger>(
      "link", std::make_shared<spdlog::sinks::ostream_sink_st>(logged));
  logger->set_pattern("%v");
  spdlog::set_default_logger(logger);
  linked.keeper.reset();
  linked.settle();
  CHECK_FALSE(linked.link.is_attached());
  CHECK(linked.loop.run_one_for(30s) == 1);  // it has had its time to die
  CHECK(logged.str() ==
        "server counter: its keeper lives and takes no events for its listeners any more; "
        "they are told nothing until another one starts: peeper kill counter keeper\n");
  // One that dies in time is no news.
  logged.str("");
  linked.open();
  linked.link.attached();
  linked.settle();
  CHECK(linked.link.is_ready());
  linked.keeper.reset();
  linked.settle();
  linked.link.closed();
  linked.loop.restart();
  linked.loop.run_for(2s);
  CHECK(logged.str().empty());
  spdlog::set_default_logger(before);
}

TEST_CASE("log: a keeper's own lines have their level, what listeners write is told apart") {
  const auto line = [](std::string_view written) { return keeper_line("counter", written); };
  CHECK(line("<3>bad").level == spdlog::level::err);
  CHECK(line("<3>bad").text == "server counter: bad");
  CHECK(line("<4>").level == spdlog::level::warn);
  CHECK(line("<6>fine").level == spdlog::level::info);
  CHECK(line("<7>").level == spdlog::level::debug);
  for (const char* rest : {"<8>x", "<3", "", "the rest of a long line"}) {
    CAPTURE(rest);
    CHECK(line(rest).level == spdlog::level::info);
    CHECK(line(rest).text == "server counter: " + std::string(rest));
  }
  for (const char* printed : {"<3>bad", "<8>x", "", "server other: x"}) {
    CAPTURE(printed);
    const KeeperLine shown = printed_line("counter", printed);
    CHECK(shown.level == spdlog::level::info);
    CHECK(shown.text == "server counter keeper| " + std::string(printed));
  }
}
