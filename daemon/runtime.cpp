#include "daemon/runtime.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <csignal>

#include "common/limits.hpp"
#include "daemon/descendants.hpp"
#include "daemon/notify.hpp"
#include "daemon/oom.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;

// For the last replies to clients that read them.
constexpr auto kGrace = 500ms;

// A command can be of use only if it fits some mailbox; what is a little too large for one still
// gets TOOBIG, what is far beyond ends the connection.
resp::ParserLimits parser_limits(const config::Config& config) {
  std::size_t largest = limits::MiB;
  for (const auto& server : config.servers) largest = std::max(largest, server.mailbox_bytes);
  resp::ParserLimits parser;
  parser.bulk_bytes = std::min(limits::kBulkBytes, largest);
  parser.command_bytes = std::min(limits::kCommandBytes, 2 * largest);
  return parser;
}

}  // namespace

Runtime::Runtime(const config::Config& config, const std::vector<std::filesystem::path>& libraries,
                 Programs programs, std::string version)
    : config_(config),
      programs_(std::move(programs)),
      listener_(loop_, commands_, facts_, parser_limits(config)) {
  facts_.version = std::move(version);
  facts_.config_file = config.file.string();
  facts_.instance = config.daemon.instance;
  for (std::size_t i = 0; i < config.servers.size(); ++i)
    servers_.add(std::make_unique<Server>(loop_, programs_, config.daemon.instance,
                                          config.servers[i], libraries[i], servers_));
}

Result<void> Runtime::run() {
  // Made first, so that a path that can't be is told before anything runs; clients that connect
  // already wait in its backlog.
  if (const auto opened = listener_.open(config_.daemon.socket, config_.daemon.socket_mode);
      !opened)
    return opened;
  auto& descendants = boost::asio::use_service<Descendants>(loop_);
  descendants.adopt(family_name(config_.daemon.instance));
  descendants.end_leftovers({programs_.keeper, programs_.worker});
  boost::asio::use_service<OomWatch>(loop_).start();
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    spdlog::info("{}: stopping", ::strsignal(signal));
    stop();
  });
  start_next(0);
  loop_.run();
  return {};
}

void Runtime::start_next(std::size_t index) {
  if (stopping_) return;
  if (index == servers_.all().size()) return serve();
  servers_.all()[index]->start(
      [this, index] { boost::asio::post(loop_, [this, index] { start_next(index + 1); }); });
}

void Runtime::serve() {
  listener_.start();
  spdlog::info("peeperd {} serves {} server{} on {}", facts_.version, servers_.all().size(),
               servers_.all().size() == 1 ? "" : "s", config_.daemon.socket.string());
  notify_service_manager("READY=1");
}

void Runtime::stop() {
  stopping_ = true;
  notify_service_manager("STOPPING=1");
  listener_.close();
  stop_next(servers_.all().size());
}

void Runtime::stop_next(std::size_t left) {
  if (left == 0) return end();
  servers_.all()[left - 1]->stop(
      [this, left] { boost::asio::post(loop_, [this, left] { stop_next(left - 1); }); });
}

void Runtime::end() {
  listener_.finish_connections();
  // Looks often: mostly all clients are gone at once, and what workers had started.
  const auto deadline = std::chrono::steady_clock::now() + kGrace;
  const auto look = [this, deadline](const auto& again) -> void {
    const bool alone = boost::asio::use_service<Descendants>(loop_).sweep();
    if ((facts_.connections == 0 && alone) || std::chrono::steady_clock::now() >= deadline) {
      spdlog::info("peeperd has stopped; the state of its servers is kept");
      return loop_.stop();
    }
    grace_.expires_after(5ms);
    grace_.async_wait([again](boost::system::error_code) { again(again); });
  };
  look(look);
}

}  // namespace peeper::daemon
