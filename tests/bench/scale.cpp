// How cost grows: with the number of servers, of connections, and with the size of a message. Each
// row is a load of some seconds with one call under way on each busy connection.
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>

#include "bench.hpp"
#include "instance.hpp"
#include "lanes.hpp"
#include "processes.hpp"
#include "tsv.hpp"

namespace peeper::bench {
namespace {

constexpr std::chrono::seconds kTime{3};
constexpr std::chrono::milliseconds kPatience{30'000};
// Beside the connections: ours, and those of peeperd for its servers.
constexpr unsigned long kOtherFiles = 200;

struct Row {
  load::Tally tally;
  Memory memory;
};

constexpr auto kHeader = "  %-28s %10s %9s %9s %9s %9s %9s\n";

void print_header(const char* title, const char* what) {
  std::printf("\n%s; %lld s each, latencies in ms, memory in MiB\n", title,
              static_cast<long long>(kTime.count()));
  std::printf(kHeader, what, "calls/s", "p50", "p99", "p99.9", "processes", "segments");
}

double ms(const load::Tally& tally, double share) {
  return static_cast<double>(tally.latencies.quantile(share)) / 1e6;
}

void print(const std::string& what, const Row& row) {
  std::printf("  %-28s %10.0f %9.3f %9.3f %9.3f %9.1f %9.1f\n", what.c_str(),
              row.tally.per_second(), ms(row.tally, 0.5), ms(row.tally, 0.99),
              ms(row.tally, 0.999), row.memory.processes / kMiB, row.memory.segments / kMiB);
  std::fflush(stdout);
}

void write(Tsv& data, double value, const Row& row) {
  data.row({value, row.tally.per_second(), ms(row.tally, 0.5), ms(row.tally, 0.99),
            ms(row.tally, 0.999), row.memory.processes / kMiB, row.memory.segments / kMiB});
}

Tsv data_of(const Settings& settings, const std::string& name, const char* first) {
  return Tsv(settings, name,
             {first, "calls_per_s", "p50_ms", "p99_ms", "p99.9_ms", "processes_MiB",
              "segments_MiB"});
}

// With memory as it is at the end, the connections still there.
Row measured(test::Instance& peeperd, Lanes lanes) {
  Row row;
  load::Crowd crowd = gather(std::move(lanes));
  (void)load::carry(crowd, {.time = std::chrono::milliseconds{300}, .patience = kPatience});
  row.tally = load::carry(crowd, {.time = kTime, .patience = kPatience});
  test::require(!row.tally.failure, row.tally.failure ? row.tally.failure->what : "");
  test::require(row.tally.errors == 0, row.tally.first_error);
  row.memory = memory_of_instance(peeperd.daemon().pid(), peeperd.name());
  return row;
}

std::string counter_name(int number) { return "c" + std::to_string(number); }

void by_servers(const Settings& settings) {
  constexpr int kClients = 100;
  print_header("by servers, 100 connections, which have them by turns", "servers");
  Tsv data = data_of(settings, "servers", "servers");
  for (const int servers : {1, 10, 100}) {
    std::string config;
    for (int i = 0; i < servers; ++i) config += test::counter_config(counter_name(i));
    test::Instance peeperd{config};
    peeperd.start();
    Lanes lanes;
    for (int i = 0; i < kClients; ++i)
      add_lane(lanes, peeperd.socket(),
               request_of(Command::call(counter_name(i % servers), "inc")));
    const Row row = measured(peeperd, std::move(lanes));
    print(std::to_string(servers), row);
    write(data, servers, row);
    peeperd.stop();
  }
}

// What a peeperd says to a connection that is one too many for it; empty if nothing.
std::string refusal(const std::string& socket) {
  auto client = Connection::connect(socket);
  if (!client) return client.error().what;
  const auto reply = client->command({"PING"}, test::kPatience);
  if (!reply) return reply.error().what;
  return reply->is_error() ? reply->text : "";
}

void by_connections(const Settings& settings, bool all_busy) {
  print_header(all_busy ? "by connections, one server, all of them busy"
                        : "by connections, one server, one in a hundred busy",
               "connections");
  Tsv data = data_of(settings, all_busy ? "connections_busy" : "connections_idle", "connections");
  const unsigned long files = raise_file_limit();
  for (const unsigned long wanted : {1UL, 100UL, 1000UL, 10'000UL}) {
    if (wanted + kOtherFiles > files) {
      std::printf("  %lu: left out, a process may have no more than %lu open files here\n", wanted,
                  files);
      continue;
    }
    test::Instance peeperd{test::counter_config()};
    peeperd.start();
    const auto request = request_of(Command::call("counter", "inc"));
    Lanes busy;
    Lanes idle;
    for (unsigned long i = 0; i < wanted; ++i)
      add_lane(all_busy || i % 100 == 0 ? busy : idle, peeperd.socket(), request);
    const Row row = measured(peeperd, std::move(busy));
    print(std::to_string(wanted), row);
    write(data, static_cast<double>(wanted), row);
    peeperd.stop();
  }
}

void one_too_many() {
  if (raise_file_limit() < limits::kConnections + kOtherFiles) return;
  test::Instance peeperd{test::counter_config()};
  peeperd.start();
  const auto request = request_of(Command::call("counter", "inc"));
  Lanes lanes;
  for (std::size_t i = 0; i < limits::kConnections; ++i)
    add_lane(lanes, peeperd.socket(), request);
  load::Crowd crowd = gather(std::move(lanes));
  const load::Tally tally =
      load::carry(crowd, {.requests = 2 * limits::kConnections, .patience = kPatience});
  test::require(!tally.failure && tally.errors == 0, "not all connections are served");
  std::printf("  one more than %zu is told: %s\n", limits::kConnections,
              refusal(peeperd.socket()).c_str());
  peeperd.stop();
}

void by_size(const Settings& settings, int clients) {
  const std::string who = clients == 1 ? "1 connection" : std::to_string(clients) + " connections";
  print_header(("by bytes of an argument that comes back as the reply, kv PING, " + who).c_str(),
               "bytes");
  Tsv data = data_of(settings, "sizes_" + std::to_string(clients), "bytes");
  test::Instance peeperd{"[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\n"};
  peeperd.start();
  for (const std::size_t bytes :
       {std::size_t{16}, std::size_t{256}, 4 * limits::KiB, 64 * limits::KiB, limits::MiB}) {
    const auto request = request_of(Command::call("kv", "PING", std::string(bytes, 'x')));
    Lanes lanes;
    for (int i = 0; i < clients; ++i) add_lane(lanes, peeperd.socket(), request);
    const Row row = measured(peeperd, std::move(lanes));
    const double both_ways = 2 * row.tally.per_second() * static_cast<double>(bytes) / kMiB;
    char text[64];
    std::snprintf(text, sizeof text, "%zu (%.1f MiB/s)", bytes, both_ways);
    print(text, row);
    write(data, static_cast<double>(bytes), row);
  }
  peeperd.stop();
}

}  // namespace

void scale(const Settings& settings) {
  by_servers(settings);
  by_connections(settings, true);
  by_connections(settings, false);
  one_too_many();
  by_size(settings, 1);
  by_size(settings, 50);
  std::printf("  data: %s\n", settings.data.c_str());
}

}  // namespace peeper::bench
