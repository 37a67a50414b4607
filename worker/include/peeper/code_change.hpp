// The former types of a State, for a behaviour that is to take over the state of its older builds:
//
//   struct V1 {                                   // as it was, to the byte
//     static constexpr int version = 1;
//     int count;
//   };
//   struct State {
//     static constexpr int version = 2;
//     std::int64_t count = 0;
//     peeper::string name;
//   };
//   using OldStates = peeper::types<V1>;
//   State code_change(std::uint64_t old_version, V1& old) {
//     return {.count = old.count, .name = "?"};     // containers: std::move(old.names)
//   }
//
// `peeper upgrade SERVER NEW.so` then runs code_change once, in a transaction: if it throws,
// crashes or hangs, the old code goes on with the old state. A build with the same State needs none
// of this. Old states are told apart by version, size and alignment.
#pragma once

namespace peeper {

template <class... States>
struct types {};

}  // namespace peeper
