#include "contract_rows.hpp"

#include <memory>
#include <sstream>

namespace peeper::test {
namespace {

// Longer than a walk takes under a sanitizer.
constexpr const char* kCallTimeout = "60000";

std::vector<std::string> words_of(const Row& row, const std::string& context) {
  std::vector<std::string> words;
  std::istringstream stream{row.command};
  for (std::string word; stream >> word;) {
    if (word == "%1") word = context;
    words.push_back(word);
    if (words.size() == 1 && word == "CALL") words.insert(words.end(), {"TIMEOUT", kCallTimeout});
  }
  return words;
}

// The message's name, for what is told of its crash.
std::string name_in(const std::vector<std::string>& words) {
  if (words[0] == "SYS") return words[1] == "GET_STATE" ? "sys get_state" : "sys replace_state";
  const std::size_t server = words[0] == "CALL" ? (words[3] == "ID" ? 5 : 3) : 1;
  return words[server + 1];
}

// The worker of `a` stands still, is let go through what `send` gives it, and dies at the edge.
void kill_at(Pair& pair, const Row& row, Edge edge, const std::function<void()>& send) {
  const auto segment = segment::Segment::open({pair.peeperd.name(), "a"}, segment::View::kRings);
  REQUIRE(segment.has_value());
  const int pid = pair.peeperd.worker("a");
  {
    Traced worker{pid};
    const std::uint64_t committed = segment->control().committed.load();
    send();
    walk_to_edge(worker, *segment, committed + static_cast<std::uint64_t>(row.commits), edge);
    worker.kill();
  }
  pair.peeperd.await([&] {
    const int now = pair.peeperd.worker("a");
    return now != 0 && now != pid && pair.peeperd.text_fact("a", "state") == "running";
  });
}

}  // namespace

void play_on(Pair& pair, const Row& row, Way way) {
  // What init continues with runs before any message.
  for (const char* server : {"a", "b"}) REQUIRE(pair.call({"forget"}, server) == "OK");
  const std::string context = row.before ? row.before(pair) : "";
  const auto words = words_of(row, context);
  const std::vector<std::string_view> command(words.begin(), words.end());
  Talk asker = pair.peeperd.talk();
  const auto send = [&] { REQUIRE(asker.client().send(command, kPatience).has_value()); };
  switch (way) {
    case Way::kPlainly: send(); break;
    case Way::kKilledBefore: kill_at(pair, row, Edge::kBefore, send); break;
    case Way::kKilledAfter: kill_at(pair, row, Edge::kAfter, send); break;
  }
  const bool waits = words[0] == "CALL" || words[0] == "SYS";
  if (way == Way::kKilledBefore && words[0] == "SYS" && words[1] == "GET_STATE") {
    // A walk takes long: then the state was shown without the worker.
    const std::string answer = asker.receive();
    CHECK((answer == row.reply || answer == "-CRASHED a: SIGKILL in '" + name_in(words) + "'"));
  } else if (way == Way::kKilledBefore && row.commits == 1 && waits)
    CHECK(asker.receive() == "-CRASHED a: SIGKILL in '" + name_in(words) + "'");
  else if (row.reply == "*")
    CHECK(asker.receive()[0] != '-');
  else if (!row.reply.empty())
    CHECK(asker.receive() == row.reply);
  Played played{pair, way, asker, context};
  row.check(played);
}

void play(const std::vector<Row>& rows, Way way) {
  Pair pair;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    play_on(pair, row, way);
  }
  pair.peeperd.stop();
}

std::function<void(Played&)> logs(std::string where, std::string line, Fence fence) {
  return [=](Played& played) {
    Pair& pair = played.pair;
    if (played.happened()) pair.await_line(where, line);
    if (fence == Fence::kMessages) pair.fence_messages();
    if (fence == Fence::kTime) pair.fence_time();
    CHECK(pair.count(where, line) == (played.happened() ? 1 : 0));
    // What was due and had to wait for that question.
    if (!played.happened()) CHECK(pair.count(where, line) == 0);
  };
}

std::function<void(Played&)> always_logs(std::string where, std::string line) {
  return [=](Played& played) {
    played.pair.await_line(where, line);
    CHECK(played.pair.count(where, line) == 1);
  };
}

void counts(Played& played) {
  CHECK(played.pair.call({"get"}) == (played.happened() ? "1" : "0"));
}

void is_left_open(Played& played) {
  const std::string answer = played.pair.call({"answer", "done"});
  CHECK((answer == "-NOBODY waits") == !played.happened());
  if (played.happened()) CHECK(played.asker.receive() == "done");
  CHECK(played.pair.call({"answer", "twice"}) == "-NOBODY waits");
}

std::function<void(Played&)> both(std::function<void(Played&)> one,
                                  std::function<void(Played&)> other) {
  return [one = std::move(one), other = std::move(other)](Played& played) {
    one(played);
    other(played);
  };
}

}  // namespace peeper::test
