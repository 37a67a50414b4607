// A behaviour loaded from its shared object, and the facts it must agree with.
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/segment/segment.hpp"
#include "peeper/abi.hpp"

namespace peeper::worker {

// Loads `path` and checks that it is a behaviour of this SDK version. Runs the object's static
// constructors. The object is never unloaded. Failures name the file and the remedy.
[[nodiscard]] Result<const abi::Behaviour*> load_behaviour(const std::string& path);

// The State of the segment against the one the behaviour was compiled with: nothing, or what
// differs and what to do.
[[nodiscard]] Result<void> check_fingerprint(const segment::Segment& segment,
                                             const abi::StateType& state);
void write_fingerprint(const segment::Segment& segment, const abi::StateType& state);

}  // namespace peeper::worker
