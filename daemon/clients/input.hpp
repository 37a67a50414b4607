// The bytes a connection has read and not yet used.
//
// They stay where they were read, in a buffer that all connections share, until another reads; only
// what is left of them then, mostly nothing, is copied. So ten thousand idle connections have no
// buffers, and busy ones use the same few pages of the processor's cache.
//
// Owner: Connection. Pure.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace peeper::daemon {

class Input {
 public:
  // Where the next bytes are to be read; then added(). `wanted`: how many more the command needs
  // that has begun.
  [[nodiscard]] std::span<char> room(std::span<char> shared, std::size_t wanted) {
    if (end_ == begin_) {
      begin_ = end_ = 0;
      if (own_.size() > kKeptBytes) own_ = {};
      base_ = shared.data();
      return shared;
    }
    if (begin_ > 0) {
      std::memmove(own_.data(), own_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    // Doubling, so that a large command is moved a few times and not once a read; never by what a
    // length announces.
    const std::size_t least = end_ + shared.size();
    const std::size_t most = end_ + std::max(shared.size(), wanted);
    const std::size_t size = std::max(least, std::min(2 * own_.size(), most));
    if (size > own_.size()) own_.resize(size);
    base_ = own_.data();
    return std::span{own_}.subspan(end_);
  }
  void added(std::size_t bytes) { end_ += bytes; }

  [[nodiscard]] std::string_view unread() const {
    return {base_ + begin_, end_ - begin_};
  }
  [[nodiscard]] bool is_empty() const { return begin_ == end_; }
  void consume(std::size_t bytes) { begin_ += std::min(bytes, end_ - begin_); }
  void drop_all() { begin_ = end_; }

  // Before the shared buffer is used by another. True: what is left is at another address now.
  bool keep() {
    if (is_empty() || base_ == own_.data()) return false;
    const std::string_view left = unread();
    if (own_.size() < left.size()) own_.resize(left.size());
    std::memcpy(own_.data(), left.data(), left.size());
    base_ = own_.data();
    end_ = left.size();
    begin_ = 0;
    return true;
  }

 private:
  // What grew beyond this for a large command is given back after it.
  static constexpr std::size_t kKeptBytes = 256 * 1024;

  std::string own_;
  char* base_ = nullptr;  // own_'s or the shared one's
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace peeper::daemon
