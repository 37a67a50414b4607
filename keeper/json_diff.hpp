// What differs between two states as JSON, leaf by leaf. Pure.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>

namespace peeper::keeper {

// `path`: keys and numbers of elements, joined by `.`; empty: the state itself. `before` is null of
// what was added, `after` of what was removed. False: no more of them.
using SeeDifference = std::function<bool(const std::string& path, const boost::json::value* before,
                                         const boost::json::value* after)>;

// In the order of `after`; what was removed comes behind what it was in. Elements of arrays are
// compared by number. Recursion is as deep as the values.
void see_differences(const boost::json::value& before, const boost::json::value& after,
                     const SeeDifference& see);

// The scalars in a value, with their paths behind `path`.
using SeeLeaf = std::function<bool(const std::string& path, const boost::json::value& leaf)>;
void see_leaves(const boost::json::value& value, const std::string& path, const SeeLeaf& see);

}  // namespace peeper::keeper
