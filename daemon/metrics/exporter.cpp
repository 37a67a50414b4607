#include "daemon/metrics/exporter.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <utility>

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::uint32_t kMostHeaderBytes = 8 * 1024;
constexpr std::uint64_t kMostBodyBytes = 1024;
// How long accepting pauses when there is no descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{500};

Failure cannot_listen(const std::string& where, const error_code& error) {
  return system_failure("cannot listen for metrics on " + where + "; choose another 'metrics'",
                        error.value());
}

}  // namespace

// --- One who asks --------------------------------------------------------------------------------

class Exporter::Scrape : public std::enable_shared_from_this<Exporter::Scrape> {
 public:
  Scrape(asio::basic_stream_socket<Protocol> socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)), shared_(std::move(shared)) {
    ++shared_->scrapers;
    parser_.header_limit(kMostHeaderBytes);
    parser_.body_limit(kMostBodyBytes);
  }
  ~Scrape() { --shared_->scrapers; }
  Scrape(const Scrape&) = delete;
  Scrape& operator=(const Scrape&) = delete;

  void start() {
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& request = parser_.get();
    const auto target = request.target().substr(0, request.target().find('?'));
    const bool is_question =
        request.method() == http::verb::get || request.method() == http::verb::head;
    response_.version(request.version());
    response_.keep_alive(false);
    response_.set(http::field::server, "peeperd");
    response_.set(http::field::content_type, "text/plain; charset=utf-8");
    if (!is_question) {
      response_.result(http::status::method_not_allowed);
      response_.set(http::field::allow, "GET, HEAD");
      response_.body() = "only GET and HEAD\n";
    } else if (target != "/metrics") {
      response_.result(http::status::not_found);
      response_.body() = "the metrics are at /metrics\n";
    } else {
      response_.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      response_.body() = shared_->text();
    }
    response_.prepare_payload();
    if (request.method() == http::verb::head) response_.body().clear();
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code, std::size_t) {
      error_code ignored;
      self->stream_.socket().shutdown(asio::socket_base::shutdown_both, ignored);
    });
  }

  boost::beast::basic_stream<Protocol> stream_;
  std::shared_ptr<Shared> shared_;
  boost::beast::flat_buffer buffer_;
  http::request_parser<http::string_body> parser_;
  http::response<http::string_body> response_;
};

// --- All of them ---------------------------------------------------------------------------------

Exporter::Exporter(asio::io_context& loop, std::function<std::string()> text)
    : loop_(loop),
      shared_(std::make_shared<Shared>(std::move(text))),
      tcp_(loop),
      local_(loop),
      pause_(loop) {}

Exporter::~Exporter() { close(); }

Result<void> Exporter::open(const config::MetricsPlace& place) {
  if (place.is_none()) return {};
  if (!place.path.empty()) return open_unix(place.path);
  const std::string where = place.address + ":" + std::to_string(place.port);
  error_code error;
  const asio::ip::tcp::endpoint endpoint{asio::ip::make_address(place.address, error), place.port};
  if (!error) tcp_.open(endpoint.protocol(), error);
  if (!error) tcp_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) tcp_.bind(endpoint, error);
  if (!error) tcp_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(where, error);
  spdlog::info("metrics are at http://{}/metrics", where);
  accept(tcp_);
  return {};
}

Result<void> Exporter::open_unix(const std::string& path) {
  const stream_protocol::endpoint endpoint{path};
  error_code error;
  stream_protocol::socket probe{loop_};
  probe.connect(endpoint, error);
  if (!error) return cannot_listen(path, asio::error::address_in_use);
  struct stat facts {};
  if (error == asio::error::connection_refused && ::lstat(path.c_str(), &facts) == 0 &&
      S_ISSOCK(facts.st_mode))
    ::unlink(path.c_str());
  error = {};
  local_.open(endpoint.protocol(), error);
  if (!error) local_.bind(endpoint, error);
  if (!error && ::chmod(path.c_str(), 0660) != 0)
    error = error_code{errno, boost::system::system_category()};
  if (!error) local_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(path, error);
  path_ = path;
  spdlog::info("metrics are at {}: curl --unix-socket {} http://localhost/metrics", path, path);
  accept(local_);
  return {};
}

template <class Acceptor>
void Exporter::accept(Acceptor& acceptor) {
  auto socket = std::make_shared<asio::basic_stream_socket<Protocol>>(loop_);
  acceptor.async_accept(*socket, [this, &acceptor, socket](error_code error) {
    if (error == asio::error::operation_aborted) return;
    if (!error && shared_->scrapers < kMostScrapers)
      std::make_shared<Scrape>(std::move(*socket), shared_)->start();
    if (!error) return accept(acceptor);
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this, &acceptor](error_code aborted) {
      if (!aborted) accept(acceptor);
    });
  });
}

void Exporter::close() {
  error_code ignored;
  tcp_.close(ignored);
  local_.close(ignored);
  pause_.cancel();
  if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
}

}  // namespace peeper::daemon
