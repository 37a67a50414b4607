// What a connection still has to send, and the sending of it.
//
// Owner: Connection. Thread: the loop's. send() is one system call and never blocks.
//
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "common/pass_fd.hpp"

namespace peeper::daemon {

class Output {
 public:
  // Takes all of `bytes`, and leaves an empty string with memory for the next ones.
  void take(std::string& bytes) {
    if (is_empty()) {
      bytes_.clear();
      sent_ = 0;
      if (bytes_.capacity() > kKeptBytes) bytes_ = {};
      std::swap(bytes_, bytes);
    } else {
      bytes_ += bytes;
      bytes.clear();
    }
  }

  enum class Sent { kAll, kSome, kFailed };
  // kSome: the socket takes no more for now.
  [[nodiscard]] Sent send(int socket) {
    if (is_empty()) return Sent::kAll;
    const ssize_t sent = ::send(socket, bytes_.data() + sent_, bytes_.size() - sent_,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0)
      return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? Sent::kSome : Sent::kFailed;
    sent_ += static_cast<std::size_t>(sent);
    if (is_empty()) return Sent::kAll;
    // What a slow reader leaves is moved seldom enough to cost little.
    if (sent_ > bytes_.size() / 2) bytes_.erase(0, std::exchange(sent_, 0));
    return Sent::kSome;
  }

  // The same, of nothing but `bytes`, with a descriptor beside the first of them. Takes `bytes`; false:
  // none was sent, nor will be. It must be empty.
  [[nodiscard]] bool send_with(int socket, std::string& bytes, int fd) {
    const ssize_t sent = send_with_fd(socket, bytes.data(), bytes.size(), fd, MSG_DONTWAIT);
    if (sent <= 0) {
      bytes.clear();
      return false;
    }
    take(bytes);
    sent_ = static_cast<std::size_t>(sent);
    return true;
  }

  [[nodiscard]] bool is_empty() const { return sent_ == bytes_.size(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - sent_; }

 private:
  // A buffer that grew beyond this for a large reply is given back after it.
  static constexpr std::size_t kKeptBytes = 256 * 1024;

  std::string bytes_;
  std::size_t sent_ = 0;
};

}  // namespace peeper::daemon
