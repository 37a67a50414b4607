// The metrics over HTTP, for Prometheus: GET /metrics on a loopback address or a Unix socket.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks; at most kMostScrapers are served at once, each
// for at most kPatience.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/result.hpp"
#include "daemon/config/config.hpp"

namespace peeper::daemon {

class Exporter {
 public:
  static constexpr std::size_t kMostScrapers = 16;
  static constexpr std::chrono::seconds kPatience{10};

  // `text`: what is told, made anew for each who asks.
  Exporter(boost::asio::io_context& loop, std::function<std::string()> text);
  ~Exporter();

  // Fails with what to do about it. A Unix socket has mode 0660; one that is there and that nobody
  // listens on is replaced.
  Result<void> open(const config::MetricsPlace& place);
  // Nobody else is let in; the socket's file goes.
  void close();

 private:
  class Scrape;
  using Protocol = boost::asio::generic::stream_protocol;

  template <class Acceptor>
  void accept(Acceptor& acceptor);
  Result<void> open_unix(const std::string& path);

  boost::asio::io_context& loop_;
  // Outlives this for the scrapes that are under way.
  struct Shared {
    explicit Shared(std::function<std::string()> how) : text(std::move(how)) {}
    std::function<std::string()> text;
    std::size_t scrapers = 0;
  };
  std::shared_ptr<Shared> shared_;
  boost::asio::ip::tcp::acceptor tcp_;
  boost::asio::local::stream_protocol::acceptor local_;
  boost::asio::steady_timer pause_;
  std::filesystem::path path_;  // ours to remove; empty: none
};

}  // namespace peeper::daemon
