#include "common/client/tokens.hpp"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <random>

#include "common/check.hpp"
#include "common/limits.hpp"

namespace peeper {
namespace {

constexpr std::size_t kRandomBytes = 16;
constexpr char kDigits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
// 6 bits a character, a dot, a counter of 64 bits.
static_assert((kRandomBytes * 8 + 5) / 6 + 1 + 20 <= limits::kTokenBytes);

std::array<unsigned char, kRandomBytes> random_bytes() {
  std::array<unsigned char, kRandomBytes> bytes{};
  ssize_t got = 0;
  do {
    got = ::getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  // The kernel gives up to 256 bytes whole.
  PEEPER_CHECK(got == static_cast<ssize_t>(bytes.size()), "getrandom() gives no random bytes");
  return bytes;
}

}  // namespace

TokenSource::TokenSource() {
  std::uint32_t bits = 0;
  int count = 0;
  for (const unsigned char byte : random_bytes()) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) prefix_ += kDigits[bits >> (count - 6) & 63];
  }
  if (count > 0) prefix_ += kDigits[bits << (6 - count) & 63];
  prefix_ += '.';
}

std::uint32_t random_number() {
  thread_local std::minstd_rand numbers{std::random_device{}()};
  return static_cast<std::uint32_t>(numbers());
}

}  // namespace peeper
