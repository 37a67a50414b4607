// Small replies, as one RESP3 value each.
#pragma once

#include <string>
#include <string_view>

#include "common/resp/writer.hpp"

namespace peeper::daemon {

inline std::string status_value(std::string_view text) {
  std::string value;
  resp::append_status(value, text);
  return value;
}

// "CODE text"
inline std::string error_value(std::string_view text) {
  std::string value;
  resp::append_error(value, text);
  return value;
}

inline std::string bulk_value(std::string_view text) {
  std::string value;
  resp::append_bulk(value, text);
  return value;
}

inline std::string integer_value(std::int64_t number) {
  std::string value;
  resp::append_integer(value, number);
  return value;
}

// A map that counts its own pairs.
class MapValue {
 public:
  MapValue& text(std::string_view key, std::string_view value) {
    begin(key);
    resp::append_bulk(body_, value);
    return *this;
  }
  MapValue& number(std::string_view key, std::int64_t value) {
    begin(key);
    resp::append_integer(body_, value);
    return *this;
  }
  MapValue& number_or_null(std::string_view key, std::int64_t value) {
    if (value != 0) return number(key, value);
    begin(key);
    resp::append_null(body_);
    return *this;
  }
  MapValue& real(std::string_view key, double value) {
    begin(key);
    resp::append_double(body_, value);
    return *this;
  }
  MapValue& boolean(std::string_view key, bool value) {
    begin(key);
    resp::append_boolean(body_, value);
    return *this;
  }
  // `value`: one RESP3 value.
  MapValue& value(std::string_view key, std::string_view value) {
    begin(key);
    body_ += value;
    return *this;
  }
  [[nodiscard]] std::string take() const {
    std::string map;
    resp::append_map(map, pairs_);
    return map + body_;
  }

 private:
  void begin(std::string_view key) {
    ++pairs_;
    resp::append_bulk(body_, key);
  }
  std::size_t pairs_ = 0;
  std::string body_;
};

}  // namespace peeper::daemon
