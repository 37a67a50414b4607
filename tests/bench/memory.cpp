// What a million keys take: all of peeper's processes and the segment, and redis-server.
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench.hpp"
#include "instance.hpp"
#include "keys.hpp"
#include "processes.hpp"
#include "redis_server.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

constexpr std::uint64_t kKeys = 1'000'000;
// Of the usual mailbox: messages, replies and dead letters as large as that, the outbox a quarter.
constexpr double kRings = 13 * kMiB;

struct RedisMemory {
  double used;  // as it says itself
  double pss;
};

RedisMemory memory_of_redis() {
  test::Instance directory{""};
  const test::RedisServer redis{directory.directory()};
  auto client = Connection::connect(redis.socket());
  test::require(client.has_value(), "no connection to redis-server");
  constexpr std::uint64_t kAtOnce = 1000;
  for (std::uint64_t first = 0; first < kKeys; first += kAtOnce) {
    std::vector<std::string> words{"MSET"};
    for (std::uint64_t i = first; i < first + kAtOnce; ++i) {
      words.push_back(key_of(i));
      words.push_back(value_of(i));
    }
    const std::vector<std::string_view> views(words.begin(), words.end());
    test::require(test::text_of(client->command(views, test::kPatience)) == "OK", "MSET failed");
  }
  const std::string info = test::text_of(client->command({"INFO", "memory"}, test::kPatience));
  const auto at = info.find("used_memory:");
  test::require(at != std::string::npos, "no used_memory: " + info);
  return {std::stod(info.substr(at + std::string_view("used_memory:").size())),
          memory_of(redis.pid()).at("Pss")};
}

}  // namespace

void memory_of_keys(const Settings&) {
  const double data = static_cast<double>(kKeys) * 48;
  std::printf("\nmemory for %llu keys of 16 bytes with values of 32, MiB, and as a multiple of the "
              "data\n", static_cast<unsigned long long>(kKeys));
  const auto row = [&](const char* what, double bytes) {
    std::printf("  %-52s %9.1f %7.2f\n", what, bytes / kMiB, bytes / data);
    std::fflush(stdout);
  };
  row("data", data);
  {
    test::Instance peeperd{kv_config(kKeys)};
    peeperd.start();
    load_keys(peeperd, kKeys);
    // At rest it gives back what it took to undo the last message.
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    const auto worker = memory_of(peeperd.worker("kv"));
    const auto keeper = memory_of(peeperd.keeper("kv"));
    const double segment = allocated(peeperd.segment("kv"));
    test::Talk talk = peeperd.talk();
    const auto status = talk.reply({"SYS", "GET_STATUS", "kv"});
    row("heap: given out", static_cast<double>(status->field("heap_used")->integer));
    row("heap: reserved", static_cast<double>(status->field("heap_reserved")->integer));
    row("segment: heap, journal and rings for a mailbox of 4 MiB", segment);
    row("segment without its rings", segment - kRings);
    row("worker: RSS", worker.at("Rss"));
    row("worker: PSS without shared memory", worker.at("Pss") - worker.at("Pss_Shmem"));
    row("keeper: RSS", keeper.at("Rss"));
    row("keeper: PSS without shared memory", keeper.at("Pss") - keeper.at("Pss_Shmem"));
    row("worker + keeper + segment without its rings",
        segment - kRings + worker.at("Pss") - worker.at("Pss_Shmem") + keeper.at("Pss") -
            keeper.at("Pss_Shmem"));
    row("all of it: worker + keeper + segment",
        segment + worker.at("Pss") - worker.at("Pss_Shmem") + keeper.at("Pss") -
            keeper.at("Pss_Shmem"));
    peeperd.stop();
  }
  const RedisMemory redis = memory_of_redis();
  row("redis-server: used_memory", redis.used);
  row("redis-server: PSS", redis.pss);
}

}  // namespace peeper::bench
