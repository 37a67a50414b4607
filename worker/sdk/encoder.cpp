#include "peeper/detail/encoder.hpp"

#include <limits>

#include "common/resp/writer.hpp"

namespace peeper::detail {

namespace {

// What resp::append_* need of a buffer, over a write function.
class Appender {
 public:
  Appender(void* context, Encoder::Write write) : context_(context), write_(write) {}

  [[nodiscard]] const char* end() const { return nullptr; }
  void insert(const char*, const char* from, const char* to) {
    write_(context_, from, static_cast<std::size_t>(to - from));
  }

 private:
  void* context_;
  Encoder::Write write_;
};

}  // namespace

void Encoder::null() {
  Appender out(context_, write_);
  resp::append_null(out);
}

void Encoder::boolean(bool value) {
  Appender out(context_, write_);
  resp::append_boolean(out, value);
}

void Encoder::integer(std::int64_t value) {
  Appender out(context_, write_);
  resp::append_integer(out, value);
}

void Encoder::unsigned_integer(std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return integer(static_cast<std::int64_t>(value));
  }
  Appender out(context_, write_);
  resp::append_big_number(out, value);
}

void Encoder::number(double value) {
  Appender out(context_, write_);
  resp::append_double(out, value);
}

void Encoder::text(std::string_view bytes) {
  Appender out(context_, write_);
  resp::append_bulk(out, bytes);
}

void Encoder::status(std::string_view line) {
  Appender out(context_, write_);
  resp::append_status(out, line);
}

void Encoder::error(std::string_view line) {
  Appender out(context_, write_);
  resp::append_error(out, line);
}

void Encoder::raw(std::string_view encoded) { write_(context_, encoded.data(), encoded.size()); }

void Encoder::array(std::size_t size) {
  Appender out(context_, write_);
  resp::append_array(out, size);
}

void Encoder::set(std::size_t size) {
  Appender out(context_, write_);
  resp::append_set(out, size);
}

void Encoder::map(std::size_t size) {
  Appender out(context_, write_);
  resp::append_map(out, size);
}

}  // namespace peeper::detail
