#include "common/limits.hpp"
#include "common/segment/client_layout.hpp"
#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {
namespace {

// Beyond the first two peeperd takes no more at once. Beyond the third one waits for hours.
constexpr std::uint64_t kMostClients = limits::kConnections;
constexpr std::uint64_t kMostPipeline = limits::kPendingReplies;
constexpr std::uint64_t kMostRequests = 1'000'000'000;

void add_count(CLI::App* command, const char* name, std::uint64_t& count, std::uint64_t most,
               const char* text) {
  CLI::Range range(std::uint64_t{1}, most);
  range.description("");
  command->add_option(name, count, text)->check(range)->type_name("N")->capture_default_str();
}

}  // namespace

void add_bench(CLI::App& app, Fields& fields) {
  CLI::App* bench =
      add_verb(app, fields, Verb::kBench, "bench",
               "Measure how fast a server answers a call",
               "The call really runs, -n times in all, and changes what it changes. Each client\n"
               "is a connection with -P calls under way at any time. A latency is the time from\n"
               "sending a call to reading its answer. Exit code 1: an answer was an error.\n"
               "Example: peeper bench counter inc\n"
               "         peeper bench -c 50 -P 16 -n 1000000 counter add 5\n"
               "         peeper bench --channel counter inc");
  BenchOptions& options = fields.options.bench;
  add_count(bench, "-c,--clients", options.clients, kMostClients, "connections, all at work");
  add_count(bench, "-P,--pipeline", options.pipeline, kMostPipeline,
            "calls under way on each of them");
  add_count(bench, "-n,--requests", options.requests, kMostRequests, "calls in all");
  bench->add_flag("--channel", options.channel,
                  "by memory shared with the server's worker instead\n"
                  "of connections; 32 clients at most");
  add_milliseconds(*bench, fields.call_timeout_ms,
                   "how long the server may take for each (default\n"
                   "5000); peeper itself waits a second more");
  add_message_words(bench, fields);
  bench->parse_complete_callback([&options] {
    if (options.requests < options.clients)
      throw CLI::ValidationError(
          "-n", std::to_string(options.requests) + " calls are too few for " +
                    std::to_string(options.clients) + " clients: each makes one at least");
    if (options.channel && options.clients > segment::kMostClients)
      throw CLI::ValidationError("-c", "a server has " + std::to_string(segment::kMostClients) +
                                           " channels at most");
  });
}

}  // namespace peeper::cli
