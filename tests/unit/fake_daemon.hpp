// A daemon by script, for the tests of the clients: it listens at a private socket, and a thread
// plays one connection after the other. With faults: it may hang up after any byte it read or
// wrote.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/resp/command_parser.hpp"
#include "common/unique_fd.hpp"
#include "temporary_directory.hpp"

namespace peeper::test {

using Words = std::vector<std::string>;

inline std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The daemon's end of one connection.
class Peer {
 public:
  explicit Peer(UniqueFd socket) : socket_(std::move(socket)) {}

  // Empty when the client is gone, or when it has read as much as it may.
  Words next_words() {
    resp::CommandParser parser;
    while (parser.parse(unread_) != resp::ParseStatus::kCommand) {
      char bytes[4096];
      const std::size_t most = std::min(sizeof bytes, may_read_);
      const ssize_t got = most == 0 ? 0 : ::read(socket_.get(), bytes, most);
      if (got <= 0) return {};
      may_read_ -= static_cast<std::size_t>(got);
      unread_.append(bytes, static_cast<std::size_t>(got));
    }
    const Words words(parser.arguments().begin(), parser.arguments().end());
    unread_.erase(0, parser.consumed());
    return words;
  }
  std::string next_command() { return joined(next_words()); }

  // False when the client is gone, or when it has written as much as it may.
  bool say(std::string_view bytes) {
    const bool is_cut = bytes.size() > may_write_;
    bytes = bytes.substr(0, may_write_);
    may_write_ -= bytes.size();
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return !is_cut;
  }

  void hang_up() { socket_.reset(); }
  // Waits until the client has closed its end.
  void await_end() {
    char bytes[65536];
    while (::read(socket_.get(), bytes, sizeof bytes) > 0) {
    }
  }

  // From now on; beyond, it acts as if the client were gone.
  void read_at_most(std::size_t bytes) { may_read_ = bytes; }
  void write_at_most(std::size_t bytes) { may_write_ = bytes; }

 private:
  UniqueFd socket_;
  std::string unread_;
  std::size_t may_read_ = SIZE_MAX;
  std::size_t may_write_ = SIZE_MAX;
};

inline UniqueFd listen_at(const std::string& path, int queue = 8) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), queue) == 0);
  return listener;
}

// Make it before the clients: at its end it waits until they are gone.
class FakeDaemon {
 public:
  // `play` gets each connection with its number, from 0; when it returns, that is closed.
  using Play = std::function<void(Peer&, int)>;

  explicit FakeDaemon(Play play) : play_(std::move(play)) {
    listen();
    thread_ = std::thread([this] { accept_all(); });
  }
  ~FakeDaemon() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      if (listener_) ::shutdown(listener_.get(), SHUT_RDWR);
    }
    thread_.join();
  }
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  [[nodiscard]] std::string socket() const { return directory_.file("s"); }

  // For `play` only, as a daemon that is killed and started again.
  void stop_listening() {
    const std::lock_guard lock(mutex_);
    listener_.reset();
    std::filesystem::remove(socket());
  }
  void listen() {
    const std::lock_guard lock(mutex_);
    listener_ = listen_at(socket(), 64);
    if (is_over_) ::shutdown(listener_.get(), SHUT_RDWR);
  }

 private:
  void accept_all() {
    for (int number = 0;; ++number) {
      UniqueFd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted) return;
      Peer peer(std::move(accepted));
      play_(peer, number);
    }
  }

  const TemporaryDirectory directory_;
  Play play_;
  std::mutex mutex_;
  UniqueFd listener_;
  bool is_over_ = false;
  std::thread thread_;
};

// Does what the real daemon and a counter would: HELLO, PING, `inc`, which counts, and each token
// once. It remembers what it was asked.
class Model {
 public:
  // One connection, to its end.
  void play(Peer& peer) {
    while (true) {
      const Words words = peer.next_words();
      if (words.empty() || !peer.say(answer(words))) return;
    }
  }

  std::string answer(const Words& words) {
    const std::lock_guard lock(mutex_);
    asked_.push_back(words);
    if (words[0] == "HELLO") return "%1\r\n+proto\r\n:3\r\n";
    if (words[0] == "PING") return "+PONG\r\n";
    const std::string token = value_after("ID", words);
    if (!token.empty() && given_.contains(token)) return given_[token];
    if (words.back() != "inc") return "-BADARG what is that?\r\n";
    ++count_;
    const std::string reply =
        words[0] == "CALL" ? ":" + std::to_string(count_) + "\r\n" : "+OK\r\n";
    if (!token.empty()) given_[token] = reply;
    return reply;
  }

  [[nodiscard]] int count() const { return locked(count_); }
  [[nodiscard]] std::vector<Words> asked() const { return locked(asked_); }
  // All but HELLO.
  [[nodiscard]] std::vector<Words> messages() const {
    std::vector<Words> messages = asked();
    std::erase_if(messages, [](const Words& words) { return words[0] == "HELLO"; });
    return messages;
  }

  // "" if the option is not there. Options stand before the server's name.
  static std::string value_after(const std::string& option, const Words& words) {
    for (std::size_t i = 1; i + 1 < words.size() && i < 5; i += 2) {
      if (words[i] == option) return words[i + 1];
    }
    return "";
  }

 private:
  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::vector<Words> asked_;
  std::map<std::string, std::string> given_;
  int count_ = 0;
};

}  // namespace peeper::test
