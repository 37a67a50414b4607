#include "common/json/value_json.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

#include "common/resp/error_parts.hpp"
#include "common/utf8.hpp"

namespace peeper {
namespace {

using resp::Reply;
namespace json = boost::json;

json::value text_json(std::string_view bytes) { return json::string(valid_utf8(bytes)); }

json::value big_number(std::string_view digits) {
  std::uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number);
  if (error == std::errc() && stopped == end) return number;
  return text_json(digits);
}

bool is_text(Reply::Type type) {
  switch (type) {
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

json::value scalar(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kStatus:
    case Reply::Type::kBulk:
    case Reply::Type::kVerbatim: return text_json(reply.text);
    case Reply::Type::kError: {
      const resp::ErrorParts parts = resp::error_parts(reply.text);
      return error_json(parts.code, parts.message);
    }
    case Reply::Type::kInteger: return reply.integer;
    case Reply::Type::kBoolean: return reply.integer != 0;
    case Reply::Type::kDouble:
      if (!std::isfinite(reply.number)) return text_json(reply.text);
      return reply.number;
    case Reply::Type::kBigNumber: return big_number(reply.text);
    case Reply::Type::kNull:
    case Reply::Type::kArray:
    case Reply::Type::kMap:
    case Reply::Type::kSet:
    case Reply::Type::kPush: break;
  }
  return nullptr;
}

// Collects key, value, key, value, and makes of them what a map becomes.
class MapJson {
 public:
  void add(json::value&& value, bool is_key_of_text) {
    if (entries_.size() % 2 == 0 && !is_key_of_text) has_names_ = false;
    entries_.push_back(std::move(value));
  }
  json::value take() && {
    if (!has_names_) return pairs();
    json::object object;
    object.reserve(entries_.size() / 2);
    for (std::size_t i = 0; i + 1 < entries_.size(); i += 2) {
      if (object.contains(entries_[i].get_string())) return pairs(std::move(object));
      object.emplace(entries_[i].get_string(), std::move(entries_[i + 1]));
    }
    return object;
  }

 private:
  // `taken`: the first values.
  json::value pairs(json::object taken = {}) {
    json::array pairs;
    for (std::size_t i = 0; i + 1 < entries_.size(); i += 2) {
      json::array pair;
      json::value& value = i / 2 < taken.size()
                               ? taken.at(entries_[i].get_string())
                               : entries_[i + 1];
      pair.push_back(std::move(entries_[i]));
      pair.push_back(std::move(value));
      pairs.push_back(std::move(pair));
    }
    return pairs;
  }

  json::array entries_;
  bool has_names_ = true;
};

// Recursion is no deeper than values nest (resp::ValueScanner), whatever they were read from.
json::value of_tree(const Reply& reply) {
  if (reply.type == Reply::Type::kMap) {
    MapJson map;
    for (const Reply& element : reply.elements) map.add(of_tree(element), is_text(element.type));
    return std::move(map).take();
  }
  const bool is_list = reply.type == Reply::Type::kArray || reply.type == Reply::Type::kSet ||
                       reply.type == Reply::Type::kPush;
  if (!is_list) return scalar(reply);
  json::array array;
  array.reserve(reply.elements.size());
  for (const Reply& element : reply.elements) array.push_back(of_tree(element));
  return array;
}

// Moves `at` behind the value there.
json::value of_bytes(std::string_view bytes, std::size_t& at, bool& is_text_value) {
  const resp::Token token = resp::read_token(bytes.substr(at), resp::Dialect::kAny, 0);
  const std::string_view own = bytes.substr(at, token.bytes);
  at += token.bytes;
  is_text_value = false;
  if (!resp::is_container(token.type)) {
    const auto read = resp::read_value(own);
    if (!read) return nullptr;
    is_text_value = is_text(read->reply.type);
    return scalar(read->reply);
  }
  bool is_element_text = false;
  if (token.type == '%') {
    MapJson map;
    for (std::uint64_t i = 0; i < token.children; ++i) {
      json::value element = of_bytes(bytes, at, is_element_text);
      map.add(std::move(element), is_element_text);
    }
    return std::move(map).take();
  }
  json::array array;
  array.reserve(token.children);
  for (std::uint64_t i = 0; i < token.children; ++i)
    array.push_back(of_bytes(bytes, at, is_element_text));
  return array;
}

}  // namespace

json::value value_json(const Reply& reply) { return of_tree(reply); }

std::optional<json::value> value_json(std::string_view resp3_value) {
  const resp::Scanned scanned = resp::scan_value(resp3_value);
  if (scanned.status != resp::Scan::kComplete || scanned.bytes != resp3_value.size())
    return std::nullopt;
  std::size_t at = 0;
  bool is_text_value = false;
  return of_bytes(resp3_value, at, is_text_value);
}

json::value error_json(std::string_view code, std::string_view message) {
  return {{"error", {{"code", text_json(code)}, {"message", text_json(message)}}}};
}

}  // namespace peeper
