// Replies as values of C++: as<T>(reply).
//
//   as<std::int64_t>(client.call("counter", "get"))
//   as<std::map<std::string, std::vector<double>>>(…)
//
// T: integers, floating point, bool, std::string, std::optional (null), std::vector (array, set),
// std::map and std::unordered_map, and resp::Reply itself. Numbers are also read from texts, for
// that is what a server may have kept. An error reply becomes a Failure with its text (EREMOTEIO);
// what does not fit T, too, with what there was in its place (EBADMSG). A Failure stays one.
#pragma once

#include <cerrno>
#include <charconv>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper {
namespace client_detail {

[[nodiscard]] Failure misfit(const resp::Reply& reply, std::string_view wanted);
[[nodiscard]] bool is_text(const resp::Reply& reply);

template <class T>
struct Convert;

template <class T>
Result<T> convert(const resp::Reply& reply) {
  if (reply.is_error()) return Failure{reply.text, EREMOTEIO};
  return Convert<T>::from(reply);
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <>
struct Convert<resp::Reply> {
  static Result<resp::Reply> from(const resp::Reply& reply) { return reply; }
};

template <std::integral T>
struct Convert<T> {
  static Result<T> from(const resp::Reply& reply) {
    if (reply.type == resp::Reply::Type::kInteger && std::in_range<T>(reply.integer)) {
      return static_cast<T>(reply.integer);
    }
    if (is_text(reply) || reply.type == resp::Reply::Type::kBigNumber) {
      if (const auto number = number_in<T>(reply.text)) return *number;
    }
    return misfit(reply, "an integer that fits");
  }
};

template <>
struct Convert<bool> {
  static Result<bool> from(const resp::Reply& reply) {
    const bool is_number = reply.type == resp::Reply::Type::kInteger && (reply.integer | 1) == 1;
    if (is_number || reply.type == resp::Reply::Type::kBoolean) return reply.integer != 0;
    return misfit(reply, "a boolean");
  }
};

template <std::floating_point T>
struct Convert<T> {
  static Result<T> from(const resp::Reply& reply) {
    if (reply.type == resp::Reply::Type::kDouble) return static_cast<T>(reply.number);
    if (reply.type == resp::Reply::Type::kInteger) return static_cast<T>(reply.integer);
    if (is_text(reply)) {
      if (const auto number = number_in<T>(reply.text)) return *number;
    }
    return misfit(reply, "a number");
  }
};

template <>
struct Convert<std::string> {
  static Result<std::string> from(const resp::Reply& reply) {
    if (is_text(reply)) return reply.text;
    return misfit(reply, "a text");
  }
};

template <class T>
struct Convert<std::optional<T>> {
  static Result<std::optional<T>> from(const resp::Reply& reply) {
    if (reply.type == resp::Reply::Type::kNull) return std::optional<T>();
    Result<T> value = convert<T>(reply);
    if (!value) return value.error();
    return std::optional<T>(std::move(*value));
  }
};

template <class T>
struct Convert<std::vector<T>> {
  static Result<std::vector<T>> from(const resp::Reply& reply) {
    const bool is_set = reply.type == resp::Reply::Type::kSet;
    if (!is_set && reply.type != resp::Reply::Type::kArray) return misfit(reply, "an array");
    std::vector<T> values;
    values.reserve(reply.elements.size());
    for (const resp::Reply& element : reply.elements) {
      Result<T> value = convert<T>(element);
      if (!value) return value.error();
      values.push_back(std::move(*value));
    }
    return values;
  }
};

template <class Map>
Result<Map> convert_map(const resp::Reply& reply) {
  if (reply.type != resp::Reply::Type::kMap) return misfit(reply, "a map");
  Map map;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    auto key = convert<typename Map::key_type>(reply.elements[i]);
    if (!key) return key.error();
    auto value = convert<typename Map::mapped_type>(reply.elements[i + 1]);
    if (!value) return value.error();
    map.insert_or_assign(std::move(*key), std::move(*value));
  }
  return map;
}

template <class Key, class T>
struct Convert<std::map<Key, T>> {
  static auto from(const resp::Reply& reply) { return convert_map<std::map<Key, T>>(reply); }
};

template <class Key, class T>
struct Convert<std::unordered_map<Key, T>> {
  static auto from(const resp::Reply& reply) {
    return convert_map<std::unordered_map<Key, T>>(reply);
  }
};

}  // namespace client_detail

template <class T>
[[nodiscard]] Result<T> as(const resp::Reply& reply) {
  return client_detail::convert<T>(reply);
}

template <class T>
[[nodiscard]] Result<T> as(const Result<resp::Reply>& reply) {
  if (!reply) return reply.error();
  return client_detail::convert<T>(*reply);
}

}  // namespace peeper
