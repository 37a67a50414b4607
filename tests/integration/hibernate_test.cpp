// hibernate(), and the key hibernate_after: the memory that callbacks let go of, and malloc kept,
// goes back to the system. Seen from outside, in /proc.
#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "instance.hpp"

using namespace peeper::test;

namespace {

constexpr std::int64_t kMiB = 1024 * 1024;

#ifdef PEEPER_SANITIZED
constexpr bool kIsSanitized = true;  // such an allocator keeps what it likes
#else
constexpr bool kIsSanitized = false;
#endif

std::string hoard(const std::string& more = "") {
  return "[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\n" + more;
}

// Bytes of a process that are in memory and no file's.
std::int64_t private_bytes(int pid) {
  std::ifstream statm{"/proc/" + std::to_string(pid) + "/statm"};
  std::int64_t size = 0;
  std::int64_t resident = 0;
  std::int64_t shared = 0;
  REQUIRE(static_cast<bool>(statm >> size >> resident >> shared));
  return (resident - shared) * ::sysconf(_SC_PAGESIZE);
}

}  // namespace

TEST_CASE("a server that hibernates gives back the memory that its callbacks let go of" *
          doctest::skip(kIsSanitized)) {
  Instance peeperd{hoard()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("hoard");
  const std::int64_t before = private_bytes(worker);
  CHECK(talk({"CALL", "hoard", "waste", "64"}) == "OK");
  // Without hibernate it stays: else this would show nothing.
  CHECK(talk({"CALL", "hoard", "size"}) == "0");
  CHECK(private_bytes(worker) > before + 60 * kMiB);
  CHECK(talk({"CALL", "hoard", "hibernate"}) == "OK");
  peeperd.await([&] { return private_bytes(worker) < before + 4 * kMiB; });
  // And wakes up as if nothing had been.
  CHECK(talk({"CALL", "hoard", "fill", "7"}) == "7");
  CHECK(peeperd.worker("hoard") == worker);
  peeperd.stop();
}

TEST_CASE("hibernate_after gives back a server's memory once no message came for so long" *
          doctest::skip(kIsSanitized)) {
  Instance peeperd{hoard("hibernate_after = \"50ms\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("hoard");
  for (int i = 0; i < 2; ++i) {
    CHECK(talk({"CALL", "hoard", "waste", "64"}) == "OK");
    peeperd.await([&] { return private_bytes(worker) < 40 * kMiB; });
  }
  CHECK(peeperd.worker("hoard") == worker);
  peeperd.stop();
}
