// What a segment remembers of its State, against the State a behaviour is compiled with.
#include <doctest/doctest.h>

#include <boost/version.hpp>
#include <string>
#include <string_view>

#include "worker/runtime/behaviour.hpp"

using namespace peeper;
using namespace peeper::worker;

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

const std::string kPath = "/dev/shm/peeper.test.server";

// Why a State is refused; empty if it isn't.
std::string refusal(const Fingerprint& had, const abi::StateType& state) {
  return is_same(had, state) ? "" : difference(had, state, kPath);
}

const std::string kStartOver =
    "to start over with an empty state, stop peeperd and remove it: rm " + kPath;

}  // namespace

TEST_CASE("a State compiled with another Boost is refused, with both releases and the remedy") {
  abi::StateType state = state_type();
  Fingerprint had = fingerprint_of(state);
  CHECK(refusal(had, state) == "");
  state.boost_version = 107'402;
  CHECK(refusal(had, state) ==
        "what segment " + kPath +
            " holds may lie differently in memory now: the behaviour's Boost was 1.81.0, is 1.74.2"
            ". Compile with what was used before, or, " +
            kStartOver);
}

TEST_CASE("a State with containers of another peeper is refused, with both versions") {
  abi::StateType state = state_type();
  Fingerprint had = fingerprint_of(state);
  state.container_version = 5;
  state.boost_version = 108'200;
  CHECK(refusal(had, state) ==
        "what segment " + kPath +
            " holds may lie differently in memory now: the behaviour's Boost was 1.81.0, is 1.82.0"
            ", the version of peeper's containers was 4, is 5. Compile with what was used before, or, " +
            kStartOver);
}

TEST_CASE("a heap whose allocator is of another Boost than the worker's is refused") {
  const abi::StateType state = state_type();
  Fingerprint had = fingerprint_of(state);
  CHECK(had.worker_boost_version == BOOST_VERSION);
  had.worker_boost_version = 106'700;
  CHECK(refusal(had, state).find("peeper-worker's Boost was 1.67.0, is ") != std::string::npos);
}

TEST_CASE("a heap whose tokens, timers and dictionary are of another peeper-worker is refused") {
  const abi::StateType state = state_type();
  Fingerprint had = fingerprint_of(state);
  had.durable_version = 0;
  CHECK(refusal(had, state).find("the version of what peeper-worker keeps beside the State was 0, "
                                 "is ") != std::string::npos);
  // Not even by way of a code change.
  abi::CodeChange change{};
  change.from = state;
  abi::Behaviour behaviour{};
  behaviour.code_changes = &change;
  behaviour.code_change_count = 1;
  CHECK(code_change_from(had, behaviour) == nullptr);
  CHECK(code_change_from(fingerprint_of(state), behaviour) == &change);
}

TEST_CASE("a State that is another one is told as that, whatever it was compiled with") {
  abi::StateType state = state_type();
  Fingerprint had = fingerprint_of(state);
  state.size = 72;
  state.version = 2;
  state.boost_version = 107'400;
  CHECK(refusal(had, state) == "State changed since segment " + kPath +
                                    " was made: its version was 1, is 2, its size was 64, is 72. "
                                    "Use the behaviour it was made with; a behaviour with a code_change takes "
                                    "it over while the server runs (peeper upgrade SERVER PATH). Or, " +
                                    kStartOver);
}
