// What runs as a worker starts: init, handle_start, code_change, with a kill at either edge of the
// commit. On a stage: there the worker can be caught before its first instruction.
#include <doctest/doctest.h>

#include <algorithm>

#include "common/limits.hpp"
#include "edge.hpp"
#include "instance.hpp"
#include "stage.hpp"

using namespace peeper;
using namespace peeper::test;
using limits::KiB;

namespace {

Server full_server() { return {"full", 256 * KiB, 64 * KiB, {"7"}}; }
Server shape_server() { return {"shape", 256 * KiB, 64 * KiB, {}}; }

// How often a reply, as RESP, holds this line of the log.
int lines(const std::string& reply, const std::string& line) {
  const std::string bulk = "$" + std::to_string(line.size()) + "\r\n" + line + "\r\n";
  int found = 0;
  for (auto at = reply.find(bulk); at != reply.npos; at = reply.find(bulk, at + 1)) ++found;
  return found;
}

// A new worker, killed at the edge of its `number`th commit from now, and all recovered.
void start_and_kill(Stage& stage, std::uint64_t number, Edge edge, const Stage::Code& code = {}) {
  const segment::Control& control = stage.segment().control();
  const std::uint64_t sequence = control.committed.load() + number;
  stage.launch_worker(code);
  // Loading takes millions of steps. The transaction's first write to the heap faults.
  while (control.in_flight.sequence.load() != sequence) stage.worker().run_to_fault();
  walk_to_edge(stage.worker(), stage.segment(), sequence, edge);
  (void)stage.recover(stage.kill_worker());
  REQUIRE(control.committed.load() == (edge == Edge::kAfter ? sequence : sequence - 1));
}

void begin(Stage& stage) {
  stage.start_keeper();
  (void)stage.recover({});
}

}  // namespace

TEST_CASE("contract: init and its worker's death before and after its commit") {
  for (const Edge edge : {Edge::kBefore, Edge::kAfter}) {
    Stage stage{full_server()};
    begin(stage);
    start_and_kill(stage, 1, edge);
    stage.start_worker();
    // Once in any case: what was committed is not run again, what was not is.
    CHECK(stage.segment().control().committed.load() == 3);  // init, handle_start, the continue
    CHECK(stage.call({"get"}) == ":7\r\n");
    const std::string log = stage.call({"log"});
    CHECK(lines(log, "continue init") == 1);
    CHECK(lines(log, "start 1") == 0);  // handle_start had no commit yet
    CHECK(lines(log, "start 2") == 1);
  }
}

TEST_CASE("contract: handle_start and its worker's death before and after its commit") {
  for (const Edge edge : {Edge::kBefore, Edge::kAfter}) {
    Stage stage{full_server()};
    begin(stage);
    stage.start_worker();
    (void)stage.recover(stage.kill_worker());
    start_and_kill(stage, 1, edge);
    stage.start_worker();
    const std::string log = stage.call({"log"});
    CHECK(lines(log, "start 1") == 1);
    CHECK(lines(log, "start 2") == (edge == Edge::kAfter ? 1 : 0));
    CHECK(lines(log, "start 3") == 1);
    CHECK(lines(log, "continue init") == 1);
  }
}

TEST_CASE("contract: code_change and its worker's death before and after its commit") {
  for (const Edge edge : {Edge::kBefore, Edge::kAfter}) {
    Stage stage{shape_server()};
    begin(stage);
    stage.start_worker();
    CHECK(stage.call({"inc"}) == ":1\r\n");
    (void)stage.recover(stage.kill_worker());
    start_and_kill(stage, 1, edge, {"full", true});
    if (edge == Edge::kBefore) {
      // The old code goes on with the old State, as the daemon would have it; then once more.
      stage.start_worker();
      CHECK(stage.call({"inc"}) == ":2\r\n");
      (void)stage.recover(stage.kill_worker());
      stage.start_worker({"full", true});
    } else {
      stage.start_worker({"full", false});  // nothing is left to change
    }
    CHECK(stage.call({"get"}) == (edge == Edge::kBefore ? ":2\r\n" : ":1\r\n"));
    CHECK(lines(stage.call({"log"}), "code_change from version 0") == 1);
  }
}
