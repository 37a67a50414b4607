// Memory shared with the worker, beside hiredis over Redis's socket: one client, in turns.
#ifdef PEEPER_HAS_HIREDIS
#include <hiredis/hiredis.h>
#endif

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "bench.hpp"
#include "common/client/channel.hpp"
#include "instance.hpp"
#include "redis_server.hpp"
#include "require.hpp"

namespace peeper::bench {
#ifdef PEEPER_HAS_HIREDIS
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kDepth = 100;

struct Figures {
  double per_second;
  double p50_us;
  double p99_us;
};

// `ask` makes one call, and waits for its answer.
template <class Ask>
Figures call_by_call(int calls, Ask ask) {
  std::vector<double> took;
  took.reserve(static_cast<std::size_t>(calls));
  const auto begin = Clock::now();
  auto before = begin;
  for (int i = 0; i < calls; ++i) {
    ask();
    const auto now = Clock::now();
    took.push_back(std::chrono::duration<double, std::micro>(now - before).count());
    before = now;
  }
  const double seconds = std::chrono::duration<double>(before - begin).count();
  return {calls / seconds, quantile(took, 0.5), quantile(took, 0.99)};
}

// `give` asks without waiting, `take` waits for the oldest answer.
template <class Give, class Take>
double pipelined(int calls, Give give, Take take) {
  const auto begin = Clock::now();
  for (int done = 0; done < calls; done += kDepth) {
    for (int i = 0; i < kDepth; ++i) give();
    for (int i = 0; i < kDepth; ++i) take();
  }
  return calls / std::chrono::duration<double>(Clock::now() - begin).count();
}

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};

// Redis's counter, by hiredis.
class Hiredis {
 public:
  explicit Hiredis(const std::string& socket) : context_(redisConnectUnix(socket.c_str())) {
    test::require(context_ && context_->err == 0, "hiredis can't connect");
  }
  void ask() { check(redisCommand(context_.get(), "INCR counter")); }
  void give() {
    test::require(redisAppendCommand(context_.get(), "INCR counter") == REDIS_OK, "no memory");
  }
  void take() {
    void* reply = nullptr;
    test::require(redisGetReply(context_.get(), &reply) == REDIS_OK, "hiredis got no reply");
    check(reply);
  }

 private:
  static void check(void* reply) {
    test::require(reply != nullptr, "hiredis got no reply");
    const bool good = static_cast<redisReply*>(reply)->type == REDIS_REPLY_INTEGER;
    freeReplyObject(reply);
    test::require(good, "Redis answered no number");
  }
  std::unique_ptr<redisContext, FreeContext> context_;
};

void check(const Result<resp::Reply>& reply) {
  test::require(reply && reply->type == resp::Reply::Type::kInteger,
                "the channel gave no number: " + test::text_of(reply));
}

}  // namespace

void channel_beside_hiredis(const Settings& settings) {
  test::Instance peeperd{test::counter_config()};
  peeperd.start();
  test::RedisServer redis{peeperd.directory()};
  ChannelOptions options;
  options.socket = peeperd.socket();
  auto channel = Channel::open("counter", options);
  test::require(channel.has_value(), channel ? "" : channel.error().what);
  Hiredis hiredis{redis.socket()};

  std::vector<double> ours;
  std::vector<double> theirs;
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> ratios;
  std::vector<double> our_pipelined;
  std::vector<double> their_pipelined;
  std::vector<double> pipelined_ratios;
  for (int run = 0; run < settings.runs; ++run) {
    const Figures mine = call_by_call(300'000, [&] { check(channel->call("inc")); });
    const Figures peer = call_by_call(30'000, [&] { hiredis.ask(); });
    ours.push_back(mine.per_second);
    theirs.push_back(peer.per_second);
    p50.push_back(mine.p50_us);
    p99.push_back(mine.p99_us);
    ratios.push_back(mine.per_second / peer.per_second);
    our_pipelined.push_back(pipelined(
        1'000'000,
        [&] {
          test::require(channel->post(Channel::Kind::kCall, "inc").has_value(), "not taken");
        },
        [&] { check(channel->next()); }));
    their_pipelined.push_back(
        pipelined(1'000'000, [&] { hiredis.give(); }, [&] { hiredis.take(); }));
    pipelined_ratios.push_back(our_pipelined.back() / their_pipelined.back());
  }
  std::printf("\na channel beside hiredis and Redis, one client, counter: calls a second\n"
              "(median of %d interleaved runs)\n",
              settings.runs);
  std::printf("  %-24s %14s %14s %8s\n", "", "channel inc", "hiredis INCR", "ratio");
  std::printf("  %-24s %14.0f %14.0f %8.1f   goal 10\n", "call by call", quantile(ours, 0.5),
              quantile(theirs, 0.5), quantile(ratios, 0.5));
  std::printf("  %-24s %14.0f %14.0f %8.1f   goal 5\n", "100 at a time",
              quantile(our_pipelined, 0.5), quantile(their_pipelined, 0.5),
              quantile(pipelined_ratios, 0.5));
  std::printf("  a call over the channel: p50 %.2f, p99 %.2f us\n", quantile(p50, 0.5),
              quantile(p99, 0.5));
  peeperd.stop();
}

#else

void channel_beside_hiredis(const Settings&) {
  std::printf("\na channel beside hiredis: left out, for hiredis is missing; ./quickstart bench "
              "installs it (libhiredis-dev)\n");
}

#endif
}  // namespace peeper::bench
