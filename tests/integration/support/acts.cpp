#include "acts.hpp"

#include <functional>

#include "common/limits.hpp"
#include "require.hpp"

namespace peeper::test {

using namespace segment;
using limits::KiB;

namespace {

void begin(Stage& stage) {
  stage.start_keeper();
  (void)stage.recover({});
  stage.start_worker();
}

void say(Stage& stage, const Strings& message, const std::string& reply) {
  const std::string got = stage.call(message);
  require(got == reply, message[0] + " was answered " + got);
}

// The start: the image of now.
void end(Stage& stage, Act& act) {
  act.start = stage.image();
  (void)stage.recover(stage.kill_worker());
}

// Sends messages until one does what is wanted to the numbers shown of the heap; that one, not yet
// sent, is the act's.
struct Shown {
  std::uint64_t used;
  std::uint64_t reserved;
};
using Make = std::function<Act(std::size_t)>;
Act first_that(Stage& stage, const Make& make,
               const std::function<bool(std::size_t, Shown, Shown)>& wanted) {
  const WorkerStatus& status = stage.segment().control().worker;
  const auto shown = [&] { return Shown{status.heap_used.load(), status.heap_reserved.load()}; };
  for (std::size_t number = 1; number < 1000; ++number) {
    Act act = make(number);
    act.start = stage.image();
    const Shown before = shown();
    say(stage, act.message, act.reply);
    if (!wanted(number, before, shown())) continue;
    (void)stage.recover(stage.kill_worker());
    return act;
  }
  require(false, "no message does what this test is about");
  return {};
}

}  // namespace

Server counter_server() { return {"counter", 64 * KiB, 4 * KiB, {"41"}}; }
Server ledger_server() { return {"ledger", 256 * KiB, 4 * KiB, {}, true}; }
Server kv_server() { return {"kv", 512 * KiB, 8 * KiB, {}, true}; }

Act increment(Stage& stage) {
  Act act{{"inc"},
          ":42\r\n",
          {},
          {{{"state"}, ":41\r\n", ":42\r\n"}, {{"inc"}, ":42\r\n", ":43\r\n"}},
          {}};
  begin(stage);
  end(stage, act);
  return act;
}

// A page is hot after two faults.
Act increment_when_hot(Stage& stage) {
  Act act{{"inc"},
          ":50\r\n",
          std::vector<Strings>(8, {"inc"}),
          {{{"state"}, ":49\r\n", ":50\r\n"}, {{"inc"}, ":50\r\n", ":51\r\n"}},
          {}};
  begin(stage);
  end(stage, act);
  return act;
}

Act replacement(Stage& stage) {
  Act act{{"sys replace_state", "7"},
          "+OK\r\n",
          {},
          {{{"state"}, ":41\r\n", ":7\r\n"}, {{"inc"}, ":42\r\n", ":8\r\n"}},
          {},
          MessageType::kReplaceState};
  begin(stage);
  end(stage, act);
  return act;
}

// Done once more in its turn, it would undo the cast.
Act replacement_when_suspended(Stage& stage) {
  Act act = replacement(stage);
  act.cast_before = {"add", "100"};
  act.questions = {{{"state"}, ":141\r\n", ":107\r\n", ":7\r\n"}};
  return act;
}

// The accounts lie one after the other: those far from each other, and from the State, are on
// pages of their own.
Act transfer(Stage& stage) {
  constexpr int kAccounts = 150;
  const std::string middle = std::to_string(kAccounts / 2);
  const std::string last = std::to_string(kAccounts);
  Act act{{"transfer", middle, last, "30"},
          "+OK\r\n",
          {},
          {{{"balance", middle}, ":100\r\n", ":70\r\n"},
           {{"balance", last}, ":100\r\n", ":130\r\n"},
           {{"audit"}, "+OK\r\n", "+OK\r\n"}},
          {}};
  begin(stage);
  say(stage, {"open_many", last}, ":" + last + "\r\n");
  end(stage, act);
  return act;
}

// The insert that allocates a table of buckets beside the account's node.
Act rehashing_insert(Stage& stage) {
  begin(stage);
  return first_that(
      stage,
      [](std::size_t number) {
        const std::string id = std::to_string(number);
        return Act{{"open", id, "owner " + id, "100"},
                   "+OK\r\n",
                   {},
                   {{{"accounts"}, ":" + std::to_string(number - 1) + "\r\n", ":" + id + "\r\n"},
                    {{"audit"}, "+OK\r\n", "+OK\r\n"}},
                   {}};
      },
      [](std::size_t number, Shown before, Shown after) {
        return number > 60 && after.used > before.used + 500;
      });
}

Act growing_allocation(Stage& stage) {
  begin(stage);
  return first_that(
      stage,
      [](std::size_t number) {
        const std::string key = "key" + std::to_string(number);
        return Act{{"SET", key, std::string(2000, 'v')},
                   "+OK\r\n",
                   {},
                   {{{"STRLEN", key}, ":0\r\n", ":2000\r\n"},
                    {{"STRLEN", "key1"}, ":2000\r\n", ":2000\r\n"}},
                   {}};
      },
      [](std::size_t, Shown before, Shown after) { return after.reserved > before.reserved; });
}

Sides enter(Stage& stage, const Act& act) {
  stage.restore(act.start);
  stage.start_keeper();
  (void)stage.recover({});
  stage.start_worker();
  for (const Strings& message : act.warm_up) (void)stage.call(message);
  const bool is_suspended = !act.cast_before.empty();
  if (is_suspended) {
    stage.suspend();
    stage.push(act.cast_before, MessageType::kCast);
  }
  const Segment& segment = stage.segment();
  Sides sides;
  sides.before = heap_of(segment);
  sides.sequence = segment.control().committed.load();
  sides.mailbox_head = segment.control().mailbox.head.load();
  stage.push(act.message, act.type);
  sides.mailbox_tail = segment.control().mailbox.tail.load();
  sides.mailbox_head_after = is_suspended ? sides.mailbox_head : sides.mailbox_tail;
  sides.fixed = fixed_parts_of(segment);
  sides.reply = act.reply;
  sides.error =
      "-CRASHED " + stage.server().name + ": SIGKILL in '" + act.message[0] + "'\r\n";
  return sides;
}

void take_own_commit(const Stage& stage, Sides& sides) {
  static const bool fixed = Traced::has_fixed_addresses();
  if (fixed || sides.is_own || stage.segment().control().committed.load() == sides.sequence)
    return;
  sides.after = heap_of(stage.segment());
  sides.is_own = true;
}

Sides rehearse(Stage& stage, const Act& act) {
  Sides sides = enter(stage, act);
  stage.finish();
  const Strings replies = stage.take_replies();
  require(replies.size() == 1 && replies[0] == act.reply, "the rehearsal's reply is another");
  sides.after = heap_of(stage.segment());
  require(sides.after != sides.before, "the message changes nothing");
  (void)stage.recover(stage.kill_worker());
  return sides;
}

}  // namespace peeper::test
