// The metrics over HTTP, for Prometheus: GET /metrics on a loopback address or a Unix socket.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks, and who asks often costs the servers little,
// as on loopback that may be any user of the machine: the text is kept (kept_text.hpp), at most
// kMostAtOnce are let in each kPause, and at most kMostScrapers are there at once, each for at most
// kPatience. One more makes the one go that has been there longest without a whole request; where
// all have asked it is turned away. Both are logged.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/result.hpp"
#include "daemon/config/config.hpp"
#include "daemon/metrics/kept_text.hpp"

namespace peeper::daemon {

class Exporter {
 public:
  static constexpr std::size_t kMostScrapers = 16;
  static constexpr std::chrono::seconds kPatience{10};
  static constexpr std::size_t kMostAtOnce = 16;
  static constexpr std::chrono::milliseconds kPause{20};
  static constexpr std::chrono::seconds kLogEvery{10};

  // `text`: what is told.
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
  template <class Acceptor>
  void accept_after(Acceptor& acceptor, std::chrono::milliseconds pause);
  void let_in(boost::asio::basic_stream_socket<Protocol> socket);
  // Whether as many were let in as may be, before a pause.
  bool has_let_in_enough();
  Result<void> open_unix(const std::string& path);

  boost::asio::io_context& loop_;
  // Outlives this for the scrapes that are under way.
  struct Shared {
    explicit Shared(std::function<std::string()> how) : make(std::move(how)) {}
    std::function<std::string()> make;
    KeptText text;
    std::size_t scrapers = 0;
    std::list<Scrape*> waiting;  // those without a whole request, the longest first
  };
  std::shared_ptr<Shared> shared_;
  boost::asio::ip::tcp::acceptor tcp_;
  boost::asio::local::stream_protocol::acceptor local_;
  boost::asio::steady_timer pause_;
  std::filesystem::path path_;  // ours to remove; empty: none
  std::size_t let_in_ = 0;      // since began_
  std::chrono::steady_clock::time_point began_{};
  std::uint64_t closed_ = 0;       // for others, as the next one
  std::uint64_t turned_away_ = 0;
  std::optional<std::chrono::steady_clock::time_point> logged_;
};

}  // namespace peeper::daemon
