#include "common/client/publication.hpp"

#include <vector>

#include "common/resp/command.hpp"

namespace peeper::client_detail {

std::string subscribe_command(std::span<const std::string> channels) {
  std::vector<std::string_view> words{"SUBSCRIBE"};
  words.insert(words.end(), channels.begin(), channels.end());
  std::string bytes;
  resp::append_command(bytes, std::span<const std::string_view>(words));
  resp::append_command(bytes, {"PING"});
  return bytes;
}

bool is_pong(const resp::Reply& reply) {
  return reply.type == resp::Reply::Type::kStatus && reply.text == "PONG";
}

std::optional<Publication> publication_in(resp::Reply&& push) {
  if (push.type != resp::Reply::Type::kPush || push.elements.size() != 3) return std::nullopt;
  if (push.elements[0].text != "message") return std::nullopt;
  return Publication{std::move(push.elements[1].text), std::move(push.elements[2]), false};
}

}  // namespace peeper::client_detail
