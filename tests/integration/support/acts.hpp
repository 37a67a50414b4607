// The messages that are killed everywhere, each with what must stand before it: an act, to be
// played on a stage any number of times from the same start.
#pragma once

#include <string>
#include <vector>

#include "stage.hpp"
#include "twin.hpp"

namespace peeper::test {

struct Act {
  Strings message;
  std::string reply;
  // To the worker that gets the message, before it; each is answered.
  std::vector<Strings> warm_up;
  // Asked afterwards, with the answers if the message did not happen and if it did.
  struct Question {
    Strings ask;
    std::string before;
    std::string after;
    std::string in_turn = {};  // if it happened behind cast_before, in its turn; empty: as after
  };
  std::vector<Question> questions;
  Stage::Image start;  // the segment, no worker living
  segment::MessageType type = segment::MessageType::kCall;
  // The worker is suspended when it gets the message, and before that waits this cast.
  Strings cast_before = {};
};

// Each needs a stage of its server on which nothing has started, and leaves it without a worker.
Server counter_server();
Server ledger_server();
Server kv_server();
Act increment(Stage& stage);          // the page it writes is protected
Act increment_when_hot(Stage& stage); // the page it writes is hot
Act transfer(Stage& stage);           // two accounts on two pages
Act replacement(Stage& stage);        // of a counter's state
Act replacement_when_suspended(Stage& stage);
Act rehashing_insert(Stage& stage);
Act growing_allocation(Stage& stage); // the heap's memory is raised in the middle of the message

// The stage as it is right before the message: keeper, fresh worker, the message in the mailbox.
// Returns the sides, still without `after`.
Sides enter(Stage& stage, const Act& act);
// To be called before a recovery of the act's segment. Bytes that nobody sets, as in a string's
// unused half, depend on addresses: where the machine does not fix those, the heap as it was
// committed in this very run is the one that must stay.
void take_own_commit(const Stage& stage, Sides& sides);
// Plays the act to its end, undisturbed: the sides, complete.
Sides rehearse(Stage& stage, const Act& act);

}  // namespace peeper::test
