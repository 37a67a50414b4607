// The supervision tree, row by row of OTP's supervisor(3).
#include <doctest/doctest.h>

#include <string>

#include "daemon/supervision/tree.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;
using config::AutoShutdown;
using config::Restart;
using config::Strategy;

namespace {

constexpr Instant kStartOfTime{};

SupervisorPolicy policy(Strategy strategy, std::uint32_t max_restarts = 3,
                        AutoShutdown auto_shutdown = AutoShutdown::kNever) {
  return {strategy, max_restarts, std::chrono::seconds{5}, auto_shutdown};
}

// Servers are named by letters, in order of their making; they do at once what they are told.
class World {
 public:
  explicit World(SupervisorPolicy root) : tree(root) {}

  NodeId server(NodeId parent = kRoot, ChildPolicy child = {}) {
    const NodeId id = tree.add_server(parent, child);
    servers_.push_back(id);
    return id;
  }
  // What the servers are told until nothing is under way: "+a" start, "~a" hold, "-a" stop.
  std::string settle() {
    std::string told;
    for (auto commands = tree.take_commands(); !commands.empty();
         commands = tree.take_commands()) {
      for (const Tree::Command& command : commands) {
        told += told.empty() ? "" : " ";
        told += command.order == Tree::Order::kStart  ? '+'
                : command.order == Tree::Order::kHold ? '~'
                                                      : '-';
        told += letter(command.server);
      }
      for (const Tree::Command& command : commands) {
        switch (command.order) {
          case Tree::Order::kStart: tree.on_started(command.server, now); break;
          case Tree::Order::kHold: tree.on_held(command.server, now); break;
          case Tree::Order::kStop: tree.on_stopped(command.server, now); break;
        }
      }
    }
    return told;
  }
  std::string start() {
    tree.start(now);
    return settle();
  }
  std::string stop() {
    tree.stop(now);
    return settle();
  }
  std::string crash(NodeId server) {
    tree.on_crashed(server, now);
    return settle();
  }
  std::string end(NodeId server, Exit exit = Exit::kNormal) {
    tree.on_ended(server, exit, now);
    return settle();
  }

  Tree tree;
  Instant now = kStartOfTime;

 private:
  char letter(NodeId server) const {
    for (std::size_t i = 0; i < servers_.size(); ++i)
      if (servers_[i] == server) return static_cast<char>('a' + i);
    return '?';
  }
  std::vector<NodeId> servers_;
};

struct Three : World {
  explicit Three(SupervisorPolicy root, ChildPolicy child = {}) : World(root) {
    a = server(kRoot, child);
    b = server(kRoot, child);
    c = server(kRoot, child);
    CHECK(start() == "+a +b +c");
  }
  NodeId a, b, c;
};

}  // namespace

TEST_CASE("supervisor: children start in order and stop in reverse order") {
  Three world{policy(Strategy::kOneForOne)};
  CHECK(world.stop() == "-c -b -a");
  CHECK(world.tree.has_ended());
  CHECK(world.tree.end(kRoot) == Tree::End::kOrdered);
}

TEST_CASE("supervisor: a child starts once the one before it has started, and stops likewise") {
  World world{policy(Strategy::kOneForOne)};
  const NodeId a = world.server();
  const NodeId b = world.server();
  using Order = Tree::Order;
  world.tree.start(world.now);
  CHECK(world.tree.take_commands() == std::vector<Tree::Command>{{Order::kStart, a}});
  CHECK(world.tree.take_commands().empty());
  world.tree.on_started(a, world.now);
  CHECK(world.tree.take_commands() == std::vector<Tree::Command>{{Order::kStart, b}});
  // A stop doesn't wait for what only starts.
  world.tree.stop(world.now);
  CHECK(world.tree.take_commands() == std::vector<Tree::Command>{{Order::kStop, b}});
  world.tree.on_started(b, world.now);
  CHECK(world.tree.take_commands().empty());
  world.tree.on_stopped(b, world.now);
  CHECK(world.tree.take_commands() == std::vector<Tree::Command>{{Order::kStop, a}});
  CHECK_FALSE(world.tree.has_ended());
  world.tree.on_stopped(a, world.now);
  CHECK(world.tree.has_ended());
}

TEST_CASE("supervisor: one_for_all restarts all, those behind first terminated, in order") {
  Three world{policy(Strategy::kOneForAll)};
  CHECK(world.tree.asks(world.b));
  CHECK(world.crash(world.b) == "~c ~a +a +b +c");
}

TEST_CASE("supervisor: rest_for_one restarts the child and those started after it") {
  Three world{policy(Strategy::kRestForOne)};
  CHECK(world.crash(world.b) == "~c +b +c");
  CHECK(world.crash(world.a) == "~c ~b +a +b +c");
  CHECK(world.crash(world.c) == "+c");
}

TEST_CASE("supervisor: one_for_one leaves the siblings and the server's restart alone") {
  Three world{policy(Strategy::kOneForOne)};
  CHECK_FALSE(world.tree.asks(world.b));
}

TEST_CASE("supervisor: a strategy restarts also a sibling that had been terminated or is down") {
  Three world{policy(Strategy::kOneForAll)};
  world.tree.terminate_child(world.a, world.now);
  CHECK(world.settle() == "-a");
  world.tree.on_down(world.c, world.now);
  CHECK(world.settle().empty());
  CHECK(world.crash(world.b) == "+a +b +c");
}

TEST_CASE("supervisor: a temporary sibling is terminated by a strategy, and not started again") {
  World world{policy(Strategy::kOneForAll)};
  const NodeId a = world.server();
  world.server(kRoot, {Restart::kTemporary, false});
  CHECK(world.start() == "+a +b");
  CHECK(world.crash(a) == "-b +a");
  CHECK(world.crash(a) == "+a");
}

TEST_CASE("supervisor: a transient sibling that had ended is started again by a strategy") {
  World world{policy(Strategy::kOneForAll)};
  const NodeId a = world.server();
  const NodeId b = world.server(kRoot, {Restart::kTransient, false});
  CHECK(world.start() == "+a +b");
  CHECK(world.end(b).empty());
  CHECK(world.crash(a) == "+a +b");
}

TEST_CASE("supervisor: more than max_restarts in max_seconds end it, in reverse order") {
  Three world{policy(Strategy::kRestForOne, 2)};
  CHECK(world.crash(world.c) == "+c");
  CHECK(world.crash(world.c) == "+c");
  CHECK(world.crash(world.b) == "-c -b -a");
  CHECK(world.tree.has_ended());
  CHECK(world.tree.end(kRoot) == Tree::End::kGaveUp);
}

TEST_CASE("supervisor: restarts that are longer ago than max_seconds are forgotten") {
  Three world{policy(Strategy::kRestForOne, 2)};
  for (int i = 0; i < 20; ++i) {
    CHECK(world.crash(world.c) == "+c");
    world.now += 2600ms;
  }
  CHECK_FALSE(world.tree.has_ended());
}

TEST_CASE("supervisor: any_significant ends it when the first significant child ends by itself") {
  World world{policy(Strategy::kOneForOne, 3, AutoShutdown::kAnySignificant)};
  const NodeId a = world.server(kRoot, {Restart::kTransient, false});
  const NodeId b = world.server(kRoot, {Restart::kTransient, true});
  world.server(kRoot, {Restart::kTemporary, true});
  CHECK(world.start() == "+a +b +c");
  CHECK(world.end(a).empty());
  CHECK(world.end(b) == "-c -b -a");
  CHECK(world.tree.has_ended());
  CHECK(world.tree.end(kRoot) == Tree::End::kAutoShutdown);
}

TEST_CASE("supervisor: all_significant ends it with the last significant child") {
  World world{policy(Strategy::kOneForOne, 3, AutoShutdown::kAllSignificant)};
  world.server();
  const NodeId b = world.server(kRoot, {Restart::kTransient, true});
  const NodeId c = world.server(kRoot, {Restart::kTemporary, true});
  CHECK(world.start() == "+a +b +c");
  CHECK(world.end(c, Exit::kCrash).empty());
  CHECK(world.end(b) == "-c -b -a");
  CHECK(world.tree.end(kRoot) == Tree::End::kAutoShutdown);
}

TEST_CASE("supervisor: a significant child that others terminated shuts nothing down") {
  World world{policy(Strategy::kOneForAll, 3, AutoShutdown::kAnySignificant)};
  const NodeId a = world.server();
  const NodeId b = world.server(kRoot, {Restart::kTemporary, true});
  CHECK(world.start() == "+a +b");
  CHECK(world.crash(a) == "-b +a");
  world.tree.restart_child(b, world.now);
  CHECK(world.settle() == "+b");
  world.tree.terminate_child(b, world.now);
  CHECK(world.settle() == "-b");
  CHECK_FALSE(world.tree.has_ended());
}

TEST_CASE("supervisor: terminate_child stops one for good, restart_child starts it") {
  Three world{policy(Strategy::kRestForOne)};
  world.tree.terminate_child(world.a, world.now);
  CHECK(world.settle() == "-a");
  CHECK(world.tree.stage(world.a) == Tree::Stage::kStopped);
  world.tree.restart_child(world.a, world.now);
  CHECK(world.settle() == "+a");
  CHECK(world.tree.stage(world.a) == Tree::Stage::kRunning);
  world.tree.restart_child(world.a, world.now);  // it runs
  CHECK(world.settle().empty());
}

TEST_CASE("supervisor: a child that is added starts when it is asked for, one removed is no more") {
  Three world{policy(Strategy::kOneForAll)};
  const NodeId d = world.tree.add_server(kRoot, {}, 1);
  world.tree.restart_child(d, world.now);
  CHECK(world.settle() == "+?");
  CHECK(world.crash(world.c) == "~b ~? ~a +a +? +b +c");
  world.tree.terminate_child(d, world.now);
  CHECK(world.settle() == "-?");
  world.tree.remove(d);
  CHECK(world.crash(world.c) == "~b ~a +a +b +c");
}

TEST_CASE("supervisor: siblings that die while the strategy restarts them are restarted once") {
  Three world{policy(Strategy::kOneForAll)};
  world.tree.on_crashed(world.a, world.now);
  const auto first = world.tree.take_commands();
  REQUIRE(first == std::vector<Tree::Command>{{Tree::Order::kHold, world.c}});
  world.tree.on_crashed(world.b, world.now);  // its turn has not come
  world.tree.on_crashed(world.c, world.now);  // it dies of itself in the middle of its end
  world.tree.on_held(world.c, world.now);
  CHECK(world.settle() == "+a +b +c");
}

TEST_CASE("supervisor: a sibling that goes down while it is held is started with the others") {
  Three world{policy(Strategy::kRestForOne)};
  world.tree.on_crashed(world.a, world.now);
  const auto told = world.tree.take_commands();
  REQUIRE(told.size() == 1);
  CHECK(told[0] == Tree::Command{Tree::Order::kHold, world.c});
  world.tree.on_down(world.c, world.now);
  CHECK(world.settle() == "~b +a +b +c");
}

TEST_CASE("supervisor: a child that goes down while it is stopped is waited for") {
  Three world{policy(Strategy::kOneForOne)};
  world.tree.stop(world.now);
  const auto told = world.tree.take_commands();
  REQUIRE(told.size() == 1);
  world.tree.on_down(world.c, world.now);
  CHECK(world.tree.take_commands().empty());
  world.tree.on_stopped(world.c, world.now);
  CHECK(world.settle() == "-b -a");
}

TEST_CASE("supervisor: a crash of a child that was just started again is handled after that") {
  Three world{policy(Strategy::kRestForOne)};
  world.tree.on_crashed(world.b, world.now);
  CHECK(world.tree.take_commands().size() == 1);
  world.tree.on_held(world.c, world.now);
  CHECK(world.tree.take_commands() ==
        std::vector<Tree::Command>{{Tree::Order::kStart, world.b}});
  world.tree.on_started(world.b, world.now);
  world.tree.on_crashed(world.b, world.now);
  CHECK(world.settle() == "+c ~c +b +c");
}

TEST_CASE("groups: a strategy stays within its group") {
  World world{policy(Strategy::kOneForOne)};
  world.server();
  const NodeId group = world.tree.add_group(kRoot, {}, policy(Strategy::kOneForAll));
  const NodeId b = world.server(group);
  world.server(group);
  world.server();
  CHECK(world.start() == "+a +b +c +d");
  CHECK(world.crash(b) == "~c +b +c");
  CHECK(world.stop() == "-d -c -b -a");
}

TEST_CASE("groups: one that gives up is restarted by the supervisor above, which counts that") {
  World world{policy(Strategy::kRestForOne, 1)};
  world.server();
  const NodeId group = world.tree.add_group(kRoot, {}, policy(Strategy::kOneForAll, 1));
  const NodeId b = world.server(group);
  world.server(group);
  world.server();
  CHECK(world.start() == "+a +b +c +d");
  CHECK(world.crash(b) == "~c +b +c");
  // The second one ends the group; rest_for_one above restarts what follows it, too.
  CHECK(world.crash(b) == "-c -b ~d +b +c +d");
  CHECK(world.crash(b) == "~c +b +c");
  CHECK(world.crash(b) == "-c -b -d -a");
  CHECK(world.tree.end(kRoot) == Tree::End::kGaveUp);
}

TEST_CASE("groups: one that gives up exits with shutdown, after which transient isn't restarted") {
  World world{policy(Strategy::kOneForOne)};
  const NodeId group =
      world.tree.add_group(kRoot, {Restart::kTransient, false}, policy(Strategy::kOneForAll, 0));
  const NodeId a = world.server(group);
  world.server();
  CHECK(world.start() == "+a +b");
  CHECK(world.crash(a) == "-a");
  CHECK(world.tree.stage(group) == Tree::Stage::kDown);
  world.tree.restart_child(group, world.now);
  CHECK(world.settle() == "+a");
  CHECK(world.stop() == "-b -a");
}

TEST_CASE("groups: auto_shutdown goes up through significant groups") {
  World world{policy(Strategy::kOneForOne, 3, AutoShutdown::kAllSignificant)};
  const NodeId group =
      world.tree.add_group(kRoot, {Restart::kTemporary, true},
                           policy(Strategy::kOneForOne, 3, AutoShutdown::kAnySignificant));
  const NodeId a = world.server(group, {Restart::kTransient, true});
  world.server(group);
  world.server();
  CHECK(world.start() == "+a +b +c");
  CHECK(world.end(a) == "-b -a -c");
  CHECK(world.tree.end(kRoot) == Tree::End::kAutoShutdown);
}

TEST_CASE("groups: they nest, and one is held and started as a whole") {
  World world{policy(Strategy::kOneForAll)};
  const NodeId outer = world.tree.add_group(kRoot, {}, policy(Strategy::kOneForOne));
  const NodeId inner = world.tree.add_group(outer, {}, policy(Strategy::kRestForOne));
  world.server(inner);
  world.server(inner);
  world.server(outer);
  const NodeId d = world.server();
  CHECK(world.start() == "+a +b +c +d");
  CHECK(world.crash(d) == "~c ~b ~a +a +b +c +d");
  // A stop in the middle of that reaches also those that are only held.
  world.tree.on_crashed(d, world.now);
  CHECK(world.tree.take_commands().size() == 1);
  world.tree.on_held(world.tree.children(outer)[1], world.now);
  CHECK(world.tree.take_commands().size() == 1);
  CHECK(world.stop().empty());  // b is still being held
  world.tree.on_held(world.tree.children(inner)[1], world.now);
  CHECK(world.settle() == "~a -d -c -b -a");
  CHECK(world.tree.has_ended());
}
