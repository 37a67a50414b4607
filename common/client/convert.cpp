#include "common/client/convert.hpp"

namespace peeper::client_detail {
namespace {

// Enough to recognise it by.
constexpr std::size_t kShownBytes = 64;

std::string shown(const resp::Reply& reply) {
  using Type = resp::Reply::Type;
  switch (reply.type) {
    case Type::kInteger: return "the integer " + std::to_string(reply.integer);
    case Type::kBoolean: return reply.integer != 0 ? "true" : "false";
    case Type::kNull: return "null";
    case Type::kArray:
    case Type::kSet: return "an array of " + std::to_string(reply.elements.size());
    case Type::kMap: return "a map of " + std::to_string(reply.elements.size() / 2);
    case Type::kPush: return "a push";
    case Type::kError: return "an error";
    case Type::kDouble:
    case Type::kBigNumber: return reply.text;
    case Type::kStatus:
    case Type::kBulk:
    case Type::kVerbatim: break;
  }
  const bool is_long = reply.text.size() > kShownBytes;
  return "'" + reply.text.substr(0, kShownBytes) + (is_long ? "…'" : "'");
}

}  // namespace

Failure misfit(const resp::Reply& reply, std::string_view wanted) {
  return {"the reply is " + shown(reply) + ", not " + std::string(wanted), EBADMSG};
}

bool is_text(const resp::Reply& reply) {
  using Type = resp::Reply::Type;
  return reply.type == Type::kBulk || reply.type == Type::kStatus || reply.type == Type::kVerbatim;
}

}  // namespace peeper::client_detail
