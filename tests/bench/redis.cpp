// The counter beside Redis's INCR, and kv beside Redis's GET and SET.
#include "bench.hpp"
#include "instance.hpp"
#include "keys.hpp"
#include "redis_benchmark.hpp"
#include "redis_server.hpp"

namespace peeper::bench {

void compare_with_redis(const Settings& settings) {
  test::Instance peeperd{test::counter_config()};
  peeperd.start();
  const test::RedisServer redis{peeperd.directory()};
  print_header(settings, "a counter", "CALL inc", "Redis INCR");
  print_shapes(settings, "", {peeperd.socket(), {"CALL", "counter", "inc"}},
               {redis.socket(), {"INCR", "counter"}});
  peeperd.stop();
}

void compare_keys_with_redis(const Settings& settings) {
  constexpr std::uint64_t kKeys = 100'000;
  test::Instance peeperd{"[daemon]\nuse = \"kv\"\n" + kv_config(kKeys)};
  peeperd.start();
  const test::RedisServer redis{peeperd.directory()};
  print_header(settings, "keys", "peeper's kv", "Redis");
  for (const char* command : {"set", "get"}) {
    const std::vector<std::string> words{"-t", command};
    print_shapes(settings, (std::string(command) + ": ").c_str(), {peeperd.socket(), words},
                 {redis.socket(), words});
  }
  // Each message another key, and mostly another page.
  const std::vector<std::string> words{"-r", std::to_string(kKeys), "-t", "set"};
  print_shapes(settings, "set 100 k: ", {peeperd.socket(), words}, {redis.socket(), words});
  peeperd.stop();
}

}  // namespace peeper::bench
