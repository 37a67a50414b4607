// Multiply-and-fold over 8 bytes at a time, in the manner of wyhash
// (https://github.com/wangyi-fudan/wyhash). Stored tables depend on the results: never change them.
#include <cstring>

#include "peeper/unordered.hpp"

namespace peeper::detail {

namespace {

constexpr std::uint64_t kFirst = 0xa076'1d64'78bd'642f;
constexpr std::uint64_t kSecond = 0xe703'7ed1'a0b4'28db;

std::uint64_t multiply_and_fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The first `count` (at most 8) bytes as a little-endian number.
std::uint64_t read_word(const char* bytes, std::size_t count) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, count);
  return word;
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes) noexcept {
  std::uint64_t state = kSecond ^ bytes.size();
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    state = multiply_and_fold(read_word(at, 8) ^ kFirst, state ^ kSecond);
  }
  if (left > 0) state = multiply_and_fold(read_word(at, left) ^ kFirst, state ^ kSecond);
  return multiply_and_fold(state ^ kFirst, bytes.size() ^ kSecond);
}

}  // namespace peeper::detail
