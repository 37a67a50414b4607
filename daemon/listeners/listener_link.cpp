#include "daemon/listeners/listener_link.hpp"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/check.hpp"
#include "common/limits.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

// For a dying keeper's end to be known.
constexpr std::chrono::seconds kDeafPatience{1};

asio::const_buffer buffer_of(const ListenerEvent::Text& text) {
  return text ? asio::buffer(*text) : asio::const_buffer{};
}

}  // namespace

ListenerLink::ListenerLink(asio::io_context& loop, std::string server,
                           std::function<void()> on_ready)
    : loop_(loop),
      server_(std::move(server)),
      on_ready_(std::move(on_ready)),
      deaf_timer_(loop) {}

ListenerLink::~ListenerLink() { closed(); }

Result<UniqueFd> ListenerLink::open(LaunchSpec& spec) {
  closed();
  mark_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  int pair[2];
  if (!mark_ || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    return system_failure("no socket pair for its keeper's listeners", errno);
  UniqueFd theirs{pair[1]};
  boost::system::error_code error;
  socket_ = std::make_shared<Socket>(loop_);
  socket_->assign(asio::local::stream_protocol{}, pair[0], error);
  PEEPER_CHECK(!error, "a fresh socket pair can't be watched");
  keeper_ = std::make_shared<int>();
  has_complained_ = false;
  spec.inherited.emplace_back(theirs.get(), launch::kListenFd);
  spec.inherited.emplace_back(mark_.get(), launch::kListenMarkFd);
  return theirs;
}

void ListenerLink::attached() {
  if (!socket_ || std::exchange(is_attached_, true)) return;
  listen();
  tell_ready();
}

void ListenerLink::closed() {
  keeper_.reset();
  is_attached_ = false;
  is_telling_ = false;
  is_writing_ = false;
  deaf_timer_.cancel();
  if (!socket_) return;
  boost::system::error_code ignored;
  socket_->close(ignored);
  socket_.reset();
}

std::optional<std::uint64_t> ListenerLink::running_listener() {
  std::uint64_t number = 0;
  if (!mark_ || ::read(mark_.get(), &number, sizeof number) != sizeof number || number == 0)
    return std::nullopt;
  return number;
}

bool ListenerLink::tell(ListenerEvent event) {
  const auto bytes_of = [](const ListenerEvent::Text& text) { return text ? text->size() : 0; };
  if (!is_ready() || bytes_of(event.old_state) > limits::kInspectedBytes ||
      bytes_of(event.state) > limits::kInspectedBytes)
    return false;
  if (event.reason.size() > launch::kReasonBytes) event.reason.resize(launch::kReasonBytes);
  const auto out = std::make_shared<Outgoing>();
  out->event = std::move(event);
  out->head.event = out->event.event;
  out->head.sequence = out->event.sequence;
  out->head.changes = out->event.changes;
  out->head.reason_bytes = static_cast<std::uint32_t>(out->event.reason.size());
  out->head.old_bytes = bytes_of(out->event.old_state);
  out->head.state_bytes = bytes_of(out->event.state);
  is_telling_ = true;
  is_writing_ = true;
  const std::array<asio::const_buffer, 4> buffers{
      asio::buffer(&out->head, sizeof out->head), asio::buffer(out->event.reason),
      buffer_of(out->event.old_state), buffer_of(out->event.state)};
  // A keeper that is gone is told by its pidfd.
  asio::async_write(*socket_, buffers,
                    [this, out, socket = socket_, keeper = std::weak_ptr(keeper_)](
                        boost::system::error_code error, std::size_t) {
                      if (!error && !keeper.expired()) written();
                    });
  return true;
}

void ListenerLink::written() {
  is_writing_ = false;
  if (!is_telling_) tell_ready();  // acknowledged before the keeper can have had all of it
}

void ListenerLink::listen() {
  socket_->async_read_some(
      asio::buffer(acks_),
      [this, socket = socket_, keeper = std::weak_ptr(keeper_)](boost::system::error_code error,
                                                                std::size_t bytes) {
        if (keeper.expired()) return;
        if (error) return deaf();
        take_acks(bytes);
        listen();
      });
}

void ListenerLink::take_acks(std::size_t bytes) {
  const std::size_t due = is_telling_ ? 1 : 0;
  if (bytes > due && !std::exchange(has_complained_, true))
    spdlog::warn("server {}: its keeper acknowledges events for listeners that it wasn't told",
                 server_);
  if (!std::exchange(is_telling_, false)) return;
  ++acknowledged_;
  tell_ready();
}

// A keeper that dies closes all it has a moment before its pidfd tells; another one lives on, and
// nobody would ever hear why its listeners don't.
void ListenerLink::deaf() {
  is_attached_ = false;
  deaf_timer_.expires_after(kDeafPatience);
  deaf_timer_.async_wait(
      [this, keeper = std::weak_ptr(keeper_)](boost::system::error_code error) {
        if (error || keeper.expired()) return;
        spdlog::error("server {}: its keeper lives and takes no events for its listeners any more; "
                      "they are told nothing until another one starts: peeper kill {} keeper",
                      server_, server_);
      });
}

void ListenerLink::tell_ready() {
  asio::post(loop_, [this, keeper = std::weak_ptr(keeper_)] {
    if (!keeper.expired() && is_ready() && on_ready_) on_ready_();
  });
}

}  // namespace peeper::daemon
