// What handle_cast, handle_info and handle_continue may return, each plainly and with a kill at
// either edge of its commit.
#include "contract_rows.hpp"

using namespace peeper::test;

namespace {

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"cast: noreply", "CAST a inc", "OK", both(logs("a", "cast inc"), counts)},
      {"cast: timeout", "CAST a then timeout 20", "OK", logs("a", "info timeout")},
      {"cast: hibernate", "CAST a then hibernate", "OK", logs("a", "cast then hibernate")},
      {"cast: continue", "CAST a then continue x", "OK", logs("a", "continue x")},
      {"info: noreply", "SEND a inc", "OK", both(logs("a", "info inc"), counts)},
      {"info: timeout", "SEND a then timeout 20", "OK", logs("a", "info timeout")},
      {"info: hibernate", "SEND a then hibernate", "OK", logs("a", "info then hibernate")},
      {"info: continue", "SEND a then continue x", "OK", logs("a", "continue x")},
      {"continue: noreply", "CALL a reply_continue x", "1", logs("a", "continue x"), 2},
      {"continue: timeout", "CALL a reply_continue timeout=20", "1", logs("a", "info timeout"), 2},
      {"continue: hibernate", "CALL a reply_continue hibernate=", "1",
       logs("a", "continue hibernate="), 2},
      {"continue: continue", "CALL a reply_continue x,y", "1", logs("a", "continue y"), 2},
      {"continue: the second", "CALL a reply_continue x,y", "1",
       both(always_logs("a", "continue x,y"), logs("a", "continue y")), 3},
  };
  return all;
}

}  // namespace

TEST_CASE("contract: each return of handle_cast, handle_info and handle_continue") {
  play(rows(), Way::kPlainly);
}

TEST_CASE("contract: each return of callbacks without an answer is undone before the commit") {
  play(rows(), Way::kKilledBefore);
}

TEST_CASE("contract: each return of callbacks without an answer happens once after the commit") {
  play(rows(), Way::kKilledAfter);
}
