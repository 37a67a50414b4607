// Every container that may be part of a State. Costs about a second and a half to compile; a server
// that needs only some of them includes those.
#pragma once

#include "peeper/ordered.hpp"    // map, multimap, set, multiset, flat_map, flat_set
#include "peeper/pointers.hpp"   // ptr, unique_ptr, make_unique
#include "peeper/sequences.hpp"  // vector, deque, list, small_vector, static_vector, optional
#include "peeper/string.hpp"     // string
#include "peeper/unordered.hpp"  // unordered_map, unordered_set, hash
