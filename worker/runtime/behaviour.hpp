// A behaviour loaded from its shared object, and the facts it must agree with.
#pragma once

#include <string>

#include "common/result.hpp"
#include "peeper/abi.hpp"
#include "worker/runtime/heap.hpp"

namespace peeper::worker {

// Loads `path` and checks that it is a behaviour of this SDK version. Runs the object's static
// constructors. The object is never unloaded. Failures name the file and the remedy.
[[nodiscard]] Result<const abi::Behaviour*> load_behaviour(const std::string& path);

// Is the State in the heap the one that `state` describes?
[[nodiscard]] bool is_same(const Fingerprint& had, const abi::StateType& state);
// The behaviour's way from that State to its own; null if it has none.
[[nodiscard]] const abi::CodeChange* code_change_from(const Fingerprint& had,
                                                      const abi::Behaviour& behaviour);
// What differs, and what to do, in one sentence.
[[nodiscard]] std::string difference(const Fingerprint& had, const abi::StateType& state,
                                     const std::string& segment_path);
[[nodiscard]] Fingerprint fingerprint_of(const abi::StateType& state);

}  // namespace peeper::worker
