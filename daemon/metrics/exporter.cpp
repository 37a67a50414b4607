#include "daemon/metrics/exporter.hpp"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <string_view>
#include <utility>

#include "common/clock.hpp"

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
    place_ = shared_->waiting.insert(shared_->waiting.end(), this);
    parser_.header_limit(kMostHeaderBytes);
    parser_.body_limit(kMostBodyBytes);
  }
  ~Scrape() { leave(); }
  Scrape(const Scrape&) = delete;
  Scrape& operator=(const Scrape&) = delete;

  void start() {
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](error_code error, std::size_t) {
                       if (!error) self->answer();
                     });
  }
  // For another, at once.
  void make_room() {
    leave();
    stream_.close();
  }

 private:
  void leave() {
    if (std::exchange(has_left_, true)) return;
    --shared_->scrapers;
    stop_waiting();
  }
  void stop_waiting() {
    if (std::exchange(is_waiting_, false)) shared_->waiting.erase(place_);
  }

  void answer() {
    stop_waiting();
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
      use("only GET and HEAD\n");
    } else if (target != "/metrics") {
      response_.result(http::status::not_found);
      use("the metrics are at /metrics\n");
    } else {
      response_.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      text_ = shared_->text.at(now_ns(), shared_->make);
      use(*text_);
    }
    response_.prepare_payload();
    if (request.method() == http::verb::head) use("");
    stream_.expires_after(kPatience);
    http::async_write(stream_, response_, [self = shared_from_this()](error_code, std::size_t) {
      error_code ignored;
      self->stream_.socket().shutdown(asio::socket_base::shutdown_both, ignored);
    });
  }

  void use(std::string_view text) { response_.body() = {text.data(), text.size()}; }

  boost::beast::basic_stream<Protocol> stream_;
  std::shared_ptr<Shared> shared_;
  boost::beast::flat_buffer buffer_;
  http::request_parser<http::string_body> parser_;
  std::shared_ptr<const std::string> text_;  // what the response shows, but for short ones
  http::response<http::span_body<const char>> response_;
  std::list<Scrape*>::iterator place_;
  bool is_waiting_ = true;
  bool has_left_ = false;
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
    if (error) return accept_after(acceptor, kAcceptPause);
    let_in(std::move(*socket));
    if (has_let_in_enough()) return accept_after(acceptor, kPause);
    accept(acceptor);
  });
}

template <class Acceptor>
void Exporter::accept_after(Acceptor& acceptor, std::chrono::milliseconds pause) {
  pause_.expires_after(pause);
  pause_.async_wait([this, &acceptor](error_code aborted) {
    if (!aborted && acceptor.is_open()) accept(acceptor);
  });
}

// The loop goes on with asio until nothing is ready there, which connections that come faster than
// they are let in would put off for ever.
bool Exporter::has_let_in_enough() {
  const auto now = std::chrono::steady_clock::now();
  if (now - began_ >= kPause) {
    began_ = now;
    let_in_ = 0;
  }
  return ++let_in_ >= kMostAtOnce;
}

void Exporter::let_in(asio::basic_stream_socket<Protocol> socket) {
  const bool is_full = shared_->scrapers >= kMostScrapers;
  if (is_full && !shared_->waiting.empty()) {
    shared_->waiting.front()->make_room();
    ++closed_;
  } else if (is_full) {
    ++turned_away_;
  }
  if (shared_->scrapers < kMostScrapers)
    std::make_shared<Scrape>(std::move(socket), shared_)->start();
  const auto now = std::chrono::steady_clock::now();
  if (!is_full || (logged_ && now - *logged_ < kLogEvery)) return;
  logged_ = now;
  spdlog::warn(
      "metrics: {} connections are open, and one more came; so far {} that had asked nothing were "
      "closed for others, and {} were turned away; see who connects there",
      kMostScrapers, closed_, turned_away_);
}

void Exporter::close() {
  error_code ignored;
  tcp_.close(ignored);
  local_.close(ignored);
  pause_.cancel();
  if (!path_.empty()) ::unlink(std::exchange(path_, {}).c_str());
}

}  // namespace peeper::daemon
