// stop from each callback, and terminate: plainly, and with a kill at either edge of the commit.
#include "contract_rows.hpp"

using namespace peeper::test;

namespace {

// Who is killed after having said stop is not terminated, as anybody who is killed.
void stops_for_normal(Played& played) {
  Pair& pair = played.pair;
  if (played.way == Way::kPlainly) pair.await_line("a", "terminate normal");
  pair.fence_time();
  CHECK(pair.count("a", "terminate normal") == (played.way == Way::kPlainly ? 1 : 0));
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"call: stop", "CALL a stop normal", "-DOWN a: stopped: normal", stops_for_normal},
      {"call: stop, reply", "CALL a stop_reply normal bye", "bye", stops_for_normal},
      {"cast: stop", "CAST a stop normal", "OK",
       both(logs("a", "cast stop normal"), stops_for_normal)},
      {"info: stop", "SEND a then stop normal", "OK",
       both(logs("a", "info then stop normal"), stops_for_normal)},
      {"continue: stop", "CALL a reply_continue stop=normal", "1",
       both(logs("a", "continue stop=normal"), stops_for_normal), 2},
      {"terminate after stop", "CALL a stop shutdown", "-DOWN a: stopped: shutdown",
       logs("a", "terminate shutdown"), 2},
      {"terminate after stop, reply", "CALL a stop_reply broken bye", "bye",
       logs("a", "terminate broken"), 2},
      {"terminate after a cast's stop", "CAST a stop normal", "OK",
       both(always_logs("a", "cast stop normal"), logs("a", "terminate normal")), 2},
      {"terminate after an info's stop", "SEND a then stop normal", "OK",
       both(always_logs("a", "info then stop normal"), logs("a", "terminate normal")), 2},
      {"terminate after a continue's stop", "CALL a reply_continue stop=normal", "1",
       both(always_logs("a", "continue stop=normal"), logs("a", "terminate normal")), 3},
      // One commit: what the callback did is undone, the call answered, terminate's writes kept.
      {"terminate after an exception", "CALL a throw boom",
       "-CRASHED a: std::runtime_error: boom in 'throw'",
       logs("a", "terminate std::runtime_error: boom")},
      {"terminate after an info's exception", "SEND a boom", "OK",
       both(logs("a", "terminate std::runtime_error: boom in an info"),
            [](Played& played) { CHECK(played.pair.count("a", "info boom") == 0); })},
  };
  return all;
}

}  // namespace

TEST_CASE("contract: stop from each callback, and terminate") { play(rows(), Way::kPlainly); }

TEST_CASE("contract: stop and terminate are undone if the worker dies before their commit") {
  play(rows(), Way::kKilledBefore);
}

TEST_CASE("contract: stop and terminate happen once if the worker dies after their commit") {
  play(rows(), Way::kKilledAfter);
}
