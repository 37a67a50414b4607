#include "daemon/cli/render_json.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "common/utf8.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;
namespace json = boost::json;

json::value text_value(std::string_view bytes) { return json::string(valid_utf8(bytes)); }

json::value error_value(std::string_view code, std::string_view message) {
  return {{"error", {{"code", text_value(code)}, {"message", text_value(message)}}}};
}

json::value big_number(std::string_view digits) {
  std::uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number);
  if (error == std::errc() && stopped == end) return number;
  return text_value(digits);
}

// Recursion is no deeper than limits::kReplyDepth: no reply is.
json::value value_of(const Reply& reply);

json::value array_of(const std::vector<Reply>& elements) {
  json::array array;
  array.reserve(elements.size());
  for (const Reply& element : elements) array.push_back(value_of(element));
  return array;
}

bool is_text(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kStatus:
    case Reply::Type::kBulk:
    case Reply::Type::kVerbatim: return true;
    case Reply::Type::kError:
    case Reply::Type::kInteger:
    case Reply::Type::kNull:
    case Reply::Type::kBoolean:
    case Reply::Type::kDouble:
    case Reply::Type::kBigNumber:
    case Reply::Type::kArray:
    case Reply::Type::kMap:
    case Reply::Type::kSet:
    case Reply::Type::kPush: return false;
  }
  return false;
}

json::value pairs_of(const std::vector<Reply>& elements) {
  json::array pairs;
  for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
    pairs.push_back(json::array{value_of(elements[i]), value_of(elements[i + 1])});
  }
  return pairs;
}

json::value map_of(const std::vector<Reply>& elements) {
  json::object object;
  for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (!is_text(elements[i])) return pairs_of(elements);
    const auto [at, added] =
        object.emplace(valid_utf8(elements[i].text), value_of(elements[i + 1]));
    if (!added) return pairs_of(elements);
  }
  return object;
}

json::value value_of(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kStatus:
    case Reply::Type::kBulk:
    case Reply::Type::kVerbatim: return text_value(reply.text);
    case Reply::Type::kError: {
      const ErrorParts parts = error_parts(reply.text);
      return error_value(parts.code, parts.message);
    }
    case Reply::Type::kInteger: return reply.integer;
    case Reply::Type::kNull: return nullptr;
    case Reply::Type::kBoolean: return reply.integer != 0;
    case Reply::Type::kDouble:
      if (!std::isfinite(reply.number)) return text_value(reply.text);
      return reply.number;
    case Reply::Type::kBigNumber: return big_number(reply.text);
    case Reply::Type::kArray:
    case Reply::Type::kSet:
    case Reply::Type::kPush: return array_of(reply.elements);
    case Reply::Type::kMap: return map_of(reply.elements);
  }
  return nullptr;
}

}  // namespace

std::string render_json(const Reply& reply) { return json::serialize(value_of(reply)); }

std::string render_json_error(std::string_view code, std::string_view message) {
  return json::serialize(error_value(code, message));
}

ErrorParts error_parts(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto is_capital = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  if (word.empty() || !std::all_of(word.begin(), word.end(), is_capital)) return {"ERR", text};
  return {word, text.substr(std::min(word.size() + 1, text.size()))};
}

}  // namespace peeper::cli
