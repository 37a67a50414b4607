// Appends RESP values to a buffer of bytes (std::string, std::vector<char>, small_vector<char>).
//
// Everything inside the project is RESP3; append_as_resp2 (reply.hpp) translates for clients that
// never said HELLO 3. Source: https://github.com/redis/redis-specifications/tree/master/protocol
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace peeper::resp {

template <class Buffer>
void append_bytes(Buffer& out, std::string_view bytes) {
  out.insert(out.end(), bytes.data(), bytes.data() + bytes.size());
}

// "<type><number>\r\n"
template <class Buffer>
void append_number_line(Buffer& out, char type, std::int64_t number) {
  char line[24];
  line[0] = type;
  char* end = std::to_chars(line + 1, line + sizeof line - 2, number).ptr;
  *end++ = '\r';
  *end++ = '\n';
  append_bytes(out, {line, static_cast<std::size_t>(end - line)});
}

template <class Buffer>
void append_integer(Buffer& out, std::int64_t value) {
  append_number_line(out, ':', value);
}

// An integer beyond 64 bits signed. RESP2 clients get it as a bulk string.
template <class Buffer>
void append_big_number(Buffer& out, std::uint64_t value) {
  char digits[24];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  append_bytes(out, "(");
  append_bytes(out, {digits, static_cast<std::size_t>(end - digits)});
  append_bytes(out, "\r\n");
}

template <class Buffer>
void append_bulk(Buffer& out, std::string_view text) {
  append_number_line(out, '$', static_cast<std::int64_t>(text.size()));
  append_bytes(out, text);
  append_bytes(out, "\r\n");
}

namespace detail {

// A line ends at the first CR or LF: neither may come from the text.
template <class Buffer>
void append_line(Buffer& out, char type, std::string_view text) {
  append_bytes(out, {&type, 1});
  for (const char c : text) {
    const char kept = c == '\r' || c == '\n' ? ' ' : c;
    append_bytes(out, {&kept, 1});
  }
  append_bytes(out, "\r\n");
}

}  // namespace detail

// "+text": a status such as OK. Line breaks become spaces.
template <class Buffer>
void append_status(Buffer& out, std::string_view text) {
  detail::append_line(out, '+', text);
}

// "-CODE text". Line breaks become spaces.
template <class Buffer>
void append_error(Buffer& out, std::string_view text) {
  detail::append_line(out, '-', text);
}

template <class Buffer>
void append_null(Buffer& out) {
  append_bytes(out, "_\r\n");
}

template <class Buffer>
void append_boolean(Buffer& out, bool value) {
  append_bytes(out, value ? "#t\r\n" : "#f\r\n");
}

template <class Buffer>
void append_double(Buffer& out, double value) {
  if (std::isnan(value)) return append_bytes(out, ",nan\r\n");
  if (std::isinf(value)) return append_bytes(out, value < 0 ? ",-inf\r\n" : ",inf\r\n");
  char digits[40];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  append_bytes(out, ",");
  append_bytes(out, {digits, static_cast<std::size_t>(end - digits)});
  append_bytes(out, "\r\n");
}

// Followed by `elements` values.
template <class Buffer>
void append_array(Buffer& out, std::size_t elements) {
  append_number_line(out, '*', static_cast<std::int64_t>(elements));
}

// Followed by `pairs` keys and values by turns.
template <class Buffer>
void append_map(Buffer& out, std::size_t pairs) {
  append_number_line(out, '%', static_cast<std::int64_t>(pairs));
}

// Followed by `elements` values.
template <class Buffer>
void append_set(Buffer& out, std::size_t elements) {
  append_number_line(out, '~', static_cast<std::int64_t>(elements));
}

// Followed by `elements` values. Never inside of another value.
template <class Buffer>
void append_push(Buffer& out, std::size_t elements) {
  append_number_line(out, '>', static_cast<std::int64_t>(elements));
}

}  // namespace peeper::resp
