// Shows a State, or a part of it, as one RESP3 value, by reflection: what SYS GET_STATE answers.
//
// As for a reply (value.hpp), and in addition: a peeper::ptr is "-> Type" (it may lead in circles),
// a class of peeper::lives_in_heap "<Type>". A State may have gigabytes, so the picture is bounded
// (detail/state_encoder.hpp); what is left out is told by a last element "... 123 more" (for a map,
// a key with a null). A path (detail/pick.hpp) reaches it: only what it names is shown.
#pragma once

#include <string_view>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/detail/encode.hpp"
#include "peeper/detail/pick.hpp"
#include "peeper/detail/state_encoder.hpp"

namespace peeper {

// Errors: what sink.write throws. A path that leads nowhere is answered by an error value that says
// what there is instead. Changes nothing.
template <class State>
void format_state(const State& state, std::string_view path, const abi::Sink& sink) {
  detail::StateEncoder out(sink.context, sink.write);
  detail::Picker at(out, path);
  if (!at.is_answered()) detail::pick(at, state);
}

template <class State>
void format_state(const State& state, const abi::Sink& sink) {
  format_state(state, {}, sink);
}

}  // namespace peeper
