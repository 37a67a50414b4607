// What handle_call may return, each plainly and with a kill at either edge of its commit.
#include "contract_rows.hpp"

using namespace peeper::test;

namespace {

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"reply", "CALL a inc", "1", counts},
      {"reply, timeout", "CALL a reply_timeout 20", "1", both(logs("a", "info timeout"), counts)},
      {"the timeout itself", "CALL a reply_timeout 20", "1", logs("a", "info timeout"), 2},
      {"reply, hibernate", "CALL a reply_hibernate", "1", counts},
      {"reply, continue", "CALL a reply_continue x", "1", both(logs("a", "continue x"), counts)},
      {"noreply", "CALL a later", "", is_left_open},
      {"noreply, timeout", "CALL a later_timeout 20", "",
       both(logs("a", "info timeout"), is_left_open)},
      {"noreply, hibernate", "CALL a later_hibernate", "", is_left_open},
      {"noreply, continue", "CALL a later_continue x", "",
       both(logs("a", "continue x"), is_left_open)},
      // The message runs where nothing else is: format_status is asked by the runtime.
      {"sys:get_state", "SYS GET_STATE a", "[count 0 log [] secret (hidden) received 0]",
       [](Played& played) { CHECK(played.pair.call({"get"}) == "0"); }},
  };
  return all;
}

}  // namespace

TEST_CASE("contract: each return of handle_call") { play(rows(), Way::kPlainly); }

TEST_CASE("contract: each return of handle_call is undone if its worker dies before its commit") {
  play(rows(), Way::kKilledBefore);
}

TEST_CASE("contract: each return of handle_call happens once if its worker dies after its commit") {
  play(rows(), Way::kKilledAfter);
}
