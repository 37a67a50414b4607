#include "worker/runtime/message_list.hpp"

#include <span>
#include <string_view>

#include "common/resp/writer.hpp"

namespace peeper::worker {
namespace {

std::string_view view(abi::Bytes bytes) { return {bytes.data, bytes.size}; }

std::string_view word_for(abi::MessageKind kind) {
  switch (kind) {
    case abi::MessageKind::kCall: return "call";
    case abi::MessageKind::kCast: return "cast";
    case abi::MessageKind::kInfo: return "info";
    case abi::MessageKind::kAnswer: break;
  }
  return "unknown";
}

}  // namespace

std::string message_list(const abi::Behaviour& behaviour) {
  std::string value;
  resp::append_array(value, behaviour.message_count);
  for (const abi::MessageSpec& spec : std::span{behaviour.messages, behaviour.message_count}) {
    resp::append_map(value, 4);
    const auto field = [&value](std::string_view key, std::string_view text) {
      resp::append_bulk(value, key);
      resp::append_bulk(value, text);
    };
    field("kind", word_for(spec.kind));
    field("message", view(spec.name));
    field("arguments", view(spec.arguments));
    field("text", view(spec.text));
  }
  return value;
}

}  // namespace peeper::worker
