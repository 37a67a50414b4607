// The way out of state_check.hpp, for a class that is no aggregate, yet keeps all its data in
// itself or in the heap:
//   template <>
//   inline constexpr bool peeper::lives_in_heap<geo::Point> = true;
// It is a promise that no compiler checks.
#pragma once

namespace peeper {

template <class T>
inline constexpr bool lives_in_heap = false;

}  // namespace peeper
