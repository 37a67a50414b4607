// Bytes from peeperd, and the values in them. Knows no socket. Looks at no byte twice.
// Memory: limits::kClientReplyBytes, and twice that while it grows; a reply's tree is on top.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper::client_detail {

class ReplyBuffer {
 public:
  // A value of a reply costs some 80 bytes in the tree, and a few on the wire.
  static constexpr std::size_t kMostReplyValues = limits::kClientReplyBytes / 256;

  // Room for `bytes` more; then say how many of them there are.
  std::span<char> room(std::size_t bytes);
  void filled(std::size_t bytes);

  // The next value, none if it isn't whole yet. A failure (EPROTO): no RESP, or too large; nothing
  // that follows can be understood.
  Result<std::optional<resp::Reply>> next();
  // It takes no more before next() has taken some.
  [[nodiscard]] bool is_full() const { return unread().size() >= limits::kClientReplyBytes; }
  [[nodiscard]] bool is_empty() const { return unread().empty(); }

 private:
  [[nodiscard]] std::string_view unread() const { return std::string_view(bytes_).substr(read_); }
  void forget(std::size_t bytes);

  std::string bytes_;
  std::size_t room_at_ = 0;     // where room() begins
  std::size_t read_ = 0;        // of bytes_, handed out already
  resp::ValueScanner scanner_;  // of the value that begins there
};

}  // namespace peeper::client_detail
