#include "keys.hpp"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include "require.hpp"

namespace peeper::bench {

std::vector<std::uint64_t> sizes(const Settings& settings) {
  // With the journal, and with what rehashing leaves behind, twice.
  constexpr std::uint64_t kBytesAKey = 800;
  constexpr std::uint64_t kLarge = 10'000'000;
  std::vector<std::uint64_t> sizes{1'000, 100'000, 1'000'000};
  std::ifstream file{"/proc/meminfo"};
  std::string name;
  std::uint64_t kilobytes = 0;
  while (file >> name >> kilobytes && name != "MemAvailable:") file.ignore(64, '\n');
  if (!settings.large)
    std::printf("  10000000 keys: left out, add the word 'large' to have them\n");
  else if (kLarge * kBytesAKey / 1024 > kilobytes)
    std::printf("  10000000 keys: left out, %llu MiB of memory are available and it may take %llu\n",
                static_cast<unsigned long long>(kilobytes / 1024),
                static_cast<unsigned long long>(kLarge * kBytesAKey >> 20));
  else
    sizes.push_back(kLarge);
  return sizes;
}

std::string kv_config(std::uint64_t keys) {
  const std::uint64_t megabytes = std::max<std::uint64_t>(keys * 400 >> 20, 16);
  return "[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nmax_restarts = 1000000\nstate_size = \"" +
         std::to_string(megabytes) + "MiB\"\n";
}

void load_keys(test::Instance& peeperd, std::uint64_t keys) {
  constexpr std::uint64_t kAtOnce = 10'000;
  test::Talk talk = peeperd.talk();
  for (std::uint64_t first = 0; first < keys; first += kAtOnce) {
    std::vector<std::string> words{"CALL", "TIMEOUT", "60000", "kv", "MSET"};
    for (std::uint64_t i = first; i < std::min(first + kAtOnce, keys); ++i) {
      words.push_back(key_of(i));
      words.push_back(value_of(i));
    }
    const std::vector<std::string_view> views(words.begin(), words.end());
    const auto reply = talk.client().command(views, std::chrono::minutes{1});
    test::require(test::text_of(reply) == "OK", "MSET: " + test::text_of(reply));
  }
}

}  // namespace peeper::bench
