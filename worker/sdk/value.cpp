#include "peeper/value.hpp"

#include <algorithm>
#include <string>

namespace peeper {

namespace {

// Whether the line begins with a word of capitals, digits and '_', as clients expect of an error.
bool has_code(std::string_view line) {
  const std::string_view word = line.substr(0, line.find(' '));
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  return !word.empty() && capital(word.front()) && std::ranges::all_of(word, [&](char c) {
    return capital(c) || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

Value::Value(const Value& other) = default;
Value::Value(Value&& other) noexcept = default;
Value& Value::operator=(const Value& other) = default;
Value& Value::operator=(Value&& other) noexcept = default;
Value::~Value() = default;

void Value::append(void* bytes, const char* data, std::size_t size) {
  auto& buffer = *static_cast<Bytes*>(bytes);
  buffer.insert(buffer.end(), data, data + size);
}

Value Value::array(std::initializer_list<Value> elements) {
  Value value{Empty{}};
  detail::Encoder out = value.encoder();
  out.array(elements.size());
  for (const Value& element : elements) out.raw(element.bytes());
  return value;
}

Value Value::map(std::initializer_list<std::pair<Value, Value>> pairs) {
  Value value{Empty{}};
  detail::Encoder out = value.encoder();
  out.map(pairs.size());
  for (const auto& [key, mapped] : pairs) {
    out.raw(key.bytes());
    out.raw(mapped.bytes());
  }
  return value;
}

Value Value::status(std::string_view line) {
  Value value{Empty{}};
  value.encoder().status(line);
  return value;
}

Value Value::error(std::string_view line) {
  Value value{Empty{}};
  if (has_code(line)) {
    value.encoder().error(line);
  } else {
    value.encoder().error("ERR " + std::string(line));
  }
  return value;
}

}  // namespace peeper
