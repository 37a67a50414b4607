#include "common/client/reply_buffer.hpp"

#include <cerrno>

namespace peeper::client_detail {
namespace {

// A buffer that grew beyond this is given back once it is empty.
constexpr std::size_t kKeptBytes = limits::MiB;

}  // namespace

std::span<char> ReplyBuffer::room(std::size_t bytes) {
  room_at_ = bytes_.size();
  bytes_.resize(room_at_ + bytes);
  return std::span(bytes_).subspan(room_at_);
}

void ReplyBuffer::filled(std::size_t bytes) { bytes_.resize(room_at_ + bytes); }

Result<std::optional<resp::Reply>> ReplyBuffer::next() {
  const resp::Scan status = scanner_.scan(unread());
  if (status == resp::Scan::kMalformed) {
    return Failure{"peeperd sent something that is not RESP", EPROTO};
  }
  if (status == resp::Scan::kIncomplete) {
    if (!is_full()) return std::optional<resp::Reply>();
    return Failure{
        "peeperd sent a reply of more than " + std::to_string(limits::kClientReplyBytes) + " bytes",
        EPROTO};
  }
  std::optional<resp::ReadReply> read = resp::read_value(unread(), kMostReplyValues);
  if (!read) return Failure{"peeperd sent a reply of too many values", EPROTO};
  forget(read->bytes);
  return std::optional(std::move(read->reply));
}

void ReplyBuffer::forget(std::size_t bytes) {
  scanner_ = resp::ValueScanner();
  read_ += bytes;
  if (read_ == bytes_.size()) {
    read_ = 0;
    if (bytes_.capacity() > kKeptBytes) bytes_ = std::string();
    bytes_.clear();
  } else if (read_ > bytes_.size() / 2) {
    // Half at a time: a pipeline's replies are moved once each, not once for every reply.
    bytes_.erase(0, read_);
    read_ = 0;
  }
}

}  // namespace peeper::client_detail
