// What a segment remembers of its State, against the State a behaviour is compiled with.
#include <doctest/doctest.h>

#include <boost/version.hpp>
#include <string>
#include <string_view>

#include "segment_fixture.hpp"
#include "worker/runtime/behaviour.hpp"

using namespace peeper;
using namespace peeper::worker;
using peeper::test::TestSegment;

namespace {

constexpr std::string_view kName = "Ledger::State";

abi::StateType state_type() {
  return {.size = 64,
          .alignment = 8,
          .name = {kName.data(), kName.size()},
          .version = 1,
          .boost_version = 108'100,
          .container_version = 4};
}

// Why a State is refused; empty if it isn't.
std::string refusal(const TestSegment& made, const abi::StateType& state) {
  const auto same = check_fingerprint(made.segment, state);
  return same ? "" : same.error().what;
}

std::string start_over(const TestSegment& made) {
  return ", or, to start over with an empty state, stop peeperd and remove it: rm " +
         made.id.path();
}

}  // namespace

TEST_CASE("a State compiled with another Boost is refused, with both releases and the remedy") {
  TestSegment made;
  abi::StateType state = state_type();
  write_fingerprint(made.segment, state);
  CHECK(refusal(made, state) == "");
  state.boost_version = 107'402;
  CHECK(refusal(made, state) ==
        "what segment " + made.id.path() +
            " holds may lie differently in memory now: the behaviour's Boost was 1.81.0, is 1.74.2"
            ". Compile with what was used before" +
            start_over(made));
}

TEST_CASE("a State with containers of another peeper is refused, with both versions") {
  TestSegment made;
  abi::StateType state = state_type();
  write_fingerprint(made.segment, state);
  state.container_version = 5;
  state.boost_version = 108'200;
  CHECK(refusal(made, state) ==
        "what segment " + made.id.path() +
            " holds may lie differently in memory now: the behaviour's Boost was 1.81.0, is 1.82.0"
            ", the version of peeper's containers was 4, is 5. Compile with what was used before" +
            start_over(made));
}

TEST_CASE("a heap whose allocator is of another Boost than the worker's is refused") {
  TestSegment made;
  const abi::StateType state = state_type();
  write_fingerprint(made.segment, state);
  CHECK(made.segment.header().fingerprint.worker_boost_version == BOOST_VERSION);
  made.segment.header().fingerprint.worker_boost_version = 106'700;
  CHECK(refusal(made, state).find("peeper-worker's Boost was 1.67.0, is ") != std::string::npos);
}

TEST_CASE("a State that is another one is told as that, whatever it was compiled with") {
  TestSegment made;
  abi::StateType state = state_type();
  write_fingerprint(made.segment, state);
  state.size = 72;
  state.version = 2;
  state.boost_version = 107'400;
  CHECK(refusal(made, state) == "State changed since segment " + made.id.path() +
                                    " was made: its version was 1, is 2, its size was 64, is 72. "
                                    "Use the behaviour it was made with" +
                                    start_over(made));
}
