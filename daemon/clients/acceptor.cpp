#include "daemon/clients/acceptor.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "common/limits.hpp"

namespace peeper::daemon {
namespace {

// A daemon that is killed while it starts a process leaves its socket to that one until it has run
// exec: see instance_lock.cpp, whose lock goes a moment before.
constexpr std::chrono::milliseconds kInheritedPatience{500};
constexpr std::chrono::milliseconds kInheritedPause{10};

using namespace std::chrono_literals;

// How long accepting pauses when there is no descriptor left for a client.
constexpr auto kAcceptPause = 100ms;
// Clients let in at once before those who are in have their turn.
constexpr int kMostAccepted = 64;

Result<void> check_directory(const std::filesystem::path& socket) {
  const std::filesystem::path directory = socket.parent_path();
  struct stat facts {};
  if (::stat(directory.c_str(), &facts) != 0)
    return system_failure("the socket's directory " + directory.string() +
                              " can't be used (make it with: mkdir -m 0700 " +
                              directory.string() + ")",
                          errno);
  const bool others = (facts.st_mode & S_IWOTH) != 0;
  const bool group = (facts.st_mode & S_IWGRP) != 0 && facts.st_gid != ::getegid();
  const bool owner = facts.st_uid != ::geteuid() && facts.st_uid != 0;
  if (others || group || owner)
    return Failure{"the socket's directory " + directory.string() +
                       " may be written by others, who could put their own socket there; use a "
                       "directory of your own (mkdir -m 0700)",
                   EPERM};
  return {};
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof address.sun_path)
    return Failure{"the socket's path has " + std::to_string(text.size()) + " bytes, at most " +
                       std::to_string(sizeof address.sun_path - 1) + " are possible: " + text,
                   ENAMETOOLONG};
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

// What stands at the path already: nothing, a dead daemon's socket (removed), or a refusal.
Result<void> clear_the_way(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return {};
    return system_failure("cannot look at " + path.string(), errno);
  }
  if (!S_ISSOCK(facts.st_mode))
    return Failure{path.string() + " exists and is not a socket; choose another 'socket'", EEXIST};
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const auto deadline = std::chrono::steady_clock::now() + kInheritedPatience;
  while (true) {
    const UniqueFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!probe) return system_failure("cannot make a socket", errno);
    if (::connect(probe.get(), generic, sizeof address) != 0 && errno != EAGAIN) break;
    if (std::chrono::steady_clock::now() > deadline)
      return Failure{"another process answers on " + path.string() +
                         "; is peeperd running already? Choose another 'socket'",
                     EADDRINUSE};
    std::this_thread::sleep_for(kInheritedPause);
  }
  if (errno != ECONNREFUSED) return system_failure("cannot probe " + path.string(), errno);
  if (::unlink(path.c_str()) != 0)
    return system_failure("cannot remove the stale socket " + path.string(), errno);
  return {};
}

}  // namespace

Acceptor::Acceptor(const Connection::Surroundings& around)
    : around_(around), pause_(around.loop) {}

Acceptor::~Acceptor() {
  close();
  for (const auto& known : connections_)
    if (const auto connection = known.lock()) connection->close();
}

Result<void> Acceptor::open(const std::filesystem::path& given, unsigned mode) {
  const std::filesystem::path path = std::filesystem::absolute(given).lexically_normal();
  const auto address = address_of(path);
  if (!address) return address.error();
  if (const auto checked = check_directory(path); !checked) return checked;
  if (const auto clear = clear_the_way(path, *address); !clear) return clear;

  UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) return system_failure("cannot make a socket", errno);
  // Nobody may connect between bind and chmod.
  const mode_t before = ::umask(0177);
  const int bound =
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int why = errno;
  ::umask(before);
  if (bound != 0) return system_failure("cannot make the socket " + path.string(), why);
  path_ = path;
  if (::chmod(path.c_str(), mode) != 0 || ::listen(fd.get(), SOMAXCONN) != 0)
    return system_failure("cannot listen on " + path.string(), errno);
  socket_ = std::move(fd);
  return {};
}

void Acceptor::start() {
  join(around_.sockets, socket_.get());
  if (!ask_for(Sockets::kReadable)) pause(errno);
}

void Acceptor::on_ready(std::uint32_t) {
  for (int i = 0; i < kMostAccepted && accept_one(); ++i) {
  }
}

bool Acceptor::accept_one() {
  UniqueFd socket{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!socket) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause(errno);
    return false;
  }
  starved_ = false;
  if (around_.facts.connections >= limits::kConnections) {
    static constexpr std::string_view kFull = "-ERR max number of clients reached\r\n";
    (void)::send(socket.get(), kFull.data(), kFull.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return true;
  }
  auto connection = std::make_shared<Connection>(std::move(socket), around_, ++last_id_);
  // Those that are gone are looked for when they may be as many as those who are there.
  if (connections_.size() > 2 * around_.facts.connections + kMostAccepted)
    std::erase_if(connections_, [](const auto& known) { return known.expired(); });
  connections_.push_back(connection);
  connection->start();
  return true;
}

void Acceptor::pause(int why) {
  if (!std::exchange(starved_, true))
    spdlog::warn("cannot accept a client: {}; clients wait until it can", ::strerror(why));
  (void)ask_for(0);
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([this](boost::system::error_code stopped) {
    if (!stopped && socket_ && !ask_for(Sockets::kReadable)) pause(errno);
  });
}

void Acceptor::close() {
  pause_.cancel();
  leave();
  socket_.reset();
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void Acceptor::finish_connections() {
  for (const auto& known : connections_)
    if (const auto connection = known.lock()) connection->finish();
}

}  // namespace peeper::daemon
