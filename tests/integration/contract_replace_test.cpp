// What replace_state may return, each plainly and with a kill at either edge of its commit; in its
// turn, and out of it, of a server that is suspended.
#include "contract_rows.hpp"

using namespace peeper::test;

namespace {

void is_replaced(Played& played) {
  CHECK(played.pair.call({"get"}) == (played.happened() ? "7" : "0"));
  CHECK(played.pair.peeperd.talk()({"SYS", "DEADLETTERS", "LIST", "a"}) == "[]");
}

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"replace_state", "SYS REPLACE_STATE a 7", "OK", is_replaced},
      {"an error", "SYS REPLACE_STATE a 7 refuse NO", "-NO", is_replaced},
      {"timeout", "SYS REPLACE_STATE a 7 timeout 20", "OK",
       both(logs("a", "info timeout"), is_replaced)},
      {"hibernate", "SYS REPLACE_STATE a 7 hibernate", "OK", is_replaced},
      {"continue", "SYS REPLACE_STATE a 7 continue x", "OK",
       both(logs("a", "continue x"), is_replaced)},
  };
  return all;
}

// Before it in the mailbox waits an inc: a state that was replaced once more, in its turn, would be
// without that.
std::string suspend(Pair& pair) {
  Talk talk = pair.peeperd.talk();
  REQUIRE(talk({"SYS", "SUSPEND", "a"}) == "OK");
  REQUIRE(talk({"CAST", "a", "inc"}) == "OK");
  return "";
}

void is_replaced_once(Played& played) {
  Pair& pair = played.pair;
  if (played.way == Way::kPlainly) CHECK(pair.peeperd.text_fact("a", "state") == "suspended");
  CHECK(pair.peeperd.talk()({"SYS", "RESUME", "a"}) == "OK");
  CHECK(pair.call({"get"}) == (played.happened() ? "8" : "1"));
  CHECK(pair.peeperd.talk()({"SYS", "DEADLETTERS", "LIST", "a"}) == "[]");
}

const std::vector<Row>& suspended_rows() {
  static const std::vector<Row> all{
      {"replace_state", "SYS REPLACE_STATE a 7", "OK", is_replaced_once, 1, suspend},
      {"an error", "SYS REPLACE_STATE a 7 refuse NO", "-NO", is_replaced_once, 1, suspend},
      {"timeout", "SYS REPLACE_STATE a 7 timeout 20", "OK", is_replaced_once, 1, suspend},
      {"continue", "SYS REPLACE_STATE a 7 continue x", "OK",
       both(is_replaced_once, logs("a", "continue x")), 1, suspend},
  };
  return all;
}

}  // namespace

TEST_CASE("contract: each return of replace_state") { play(rows(), Way::kPlainly); }

TEST_CASE("contract: each return of replace_state is undone if its worker dies before its commit") {
  play(rows(), Way::kKilledBefore);
}

TEST_CASE("contract: each return of replace_state stands if its worker dies after its commit") {
  play(rows(), Way::kKilledAfter);
}

TEST_CASE("contract: replace_state of a suspended server happens once") {
  play(suspended_rows(), Way::kPlainly);
}

TEST_CASE("contract: replace_state of a suspended server is undone if killed before its commit") {
  play(suspended_rows(), Way::kKilledBefore);
}

TEST_CASE("contract: replace_state of a suspended server stands if killed after its commit") {
  play(suspended_rows(), Way::kKilledAfter);
}
