// The keys of the parts that measure by the size of the state, and how kv gets them.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "bench.hpp"
#include "instance.hpp"

namespace peeper::bench {

// 16 bytes, which fit into the string itself.
inline std::string key_of(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "key:%012llu", static_cast<unsigned long long>(number));
  return text;
}

// 32 bytes, which don't.
inline std::string value_of(std::uint64_t number) {
  char text[64];
  std::snprintf(text, sizeof text, "value:%026llu", static_cast<unsigned long long>(number));
  return text;
}

// Those to measure with: the largest only if it is asked for and memory suffices. Says on stdout
// what is left out, and why.
std::vector<std::uint64_t> sizes(const Settings& settings);

// "[[server]]" kv with room for so many keys.
std::string kv_config(std::uint64_t keys);

// Gives kv the keys 0 to `keys` - 1, in large messages.
void load_keys(test::Instance& peeperd, std::uint64_t keys);

}  // namespace peeper::bench
