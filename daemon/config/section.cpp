#include "daemon/config/section.hpp"

#include <algorithm>

#include "daemon/config/nearest.hpp"

namespace peeper::config {

Place place_of(const toml::source_region& source) {
  return {static_cast<int>(source.begin.line), static_cast<int>(source.begin.column)};
}

std::string kind_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return "the string " + in_quotes(text->get());
  if (const auto* number = node.as_integer()) return "the integer " + std::to_string(number->get());
  if (node.is_floating_point()) return "a number with a fraction";
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  if (node.is_array_of_tables()) return "an array of tables";
  if (node.is_array()) return "an array";
  if (node.is_table()) return "a table";
  return "a date or time";
}

const toml::node* Section::find(std::string_view key) {
  if (!knows(key)) known_.push_back(key);
  return table_.get(key);
}

Place Section::place(std::string_view key) const {
  const toml::node* node = table_.get(key);
  return place_of(node != nullptr ? node->source() : table_.source());
}

void Section::require(std::string_view key) {
  if (find(key) != nullptr) return;
  mistake(place_of(table_.source()), "key '" + std::string(key) + "' is missing in " + title_);
}

void Section::read_flag(std::string_view key, bool& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const std::optional<bool> flag = node->value_exact<bool>();
  if (!flag) return mistake_of_type(*node, key, "true or false");
  value = *flag;
}

void Section::read_count(std::string_view key, Range range, std::uint32_t& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const std::optional<std::int64_t> number = node->value_exact<std::int64_t>();
  if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < range.least ||
      static_cast<std::uint64_t>(*number) > range.most) {
    return mistake_of_type(
        *node, key,
        "a whole number from " + std::to_string(range.least) + " to " + std::to_string(range.most));
  }
  value = static_cast<std::uint32_t>(*number);
}

void Section::read_seconds(std::string_view key, std::chrono::seconds& value) {
  auto seconds = static_cast<std::uint32_t>(value.count());
  read_count(key, {1, static_cast<std::uint64_t>(kMostRestartWindow.count())}, seconds);
  value = std::chrono::seconds{seconds};
}

void Section::read_size(std::string_view key, Range range, std::size_t& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  std::uint64_t bytes = 0;
  if (const auto* number = node->as_integer()) {
    // A negative number is as wrong as one that is too small.
    bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(number->get(), 0));
  } else if (const auto* text = node->as_string()) {
    const Result<std::size_t> parsed = parse_size(text->get());
    if (!parsed) return mistake(*node, key, parsed.error().what);
    bytes = *parsed;
  } else {
    return mistake_of_type(*node, key, "a size such as \"64MiB\", or a number of bytes");
  }
  if (bytes < range.least || bytes > range.most) {
    return mistake_of_type(
        *node, key, "a size from " + size_text(range.least) + " to " + size_text(range.most));
  }
  value = round_up_to_page(bytes);
}

void Section::refuse_bare_duration(const toml::node& node, std::string_view key) {
  const std::int64_t number = node.as_integer()->get();
  std::string text = "expected a duration with its unit, found " + kind_of(node);
  if (number > 0) text += "; write \"" + std::to_string(number) + "s\" for seconds";
  mistake(node, key, text);
}

void Section::mistake(Place place, std::string text) {
  mistakes_.push_back({place.line, place.column, std::move(text)});
}

void Section::mistake(const toml::node& node, std::string_view key, std::string_view text) {
  mistake(place_of(node.source()), std::string(key) + ": " + std::string(text));
}

void Section::mistake_of_type(const toml::node& node, std::string_view key,
                              std::string_view expected) {
  mistake(node, key, "expected " + std::string(expected) + ", found " + kind_of(node));
}

void Section::report_unknown_keys(const Section* other) {
  for (const auto& [key, node] : table_) {
    if (knows(key.str())) continue;
    std::string text = "unknown key " + in_quotes(key.str(), '\'') + " in " + title_;
    const std::string_view meant = nearest(key.str(), known_);
    if (other != nullptr && other->knows(key.str()))
      text += "; it belongs under " + other->title_;
    else if (!meant.empty())
      text += "; did you mean '" + std::string(meant) + "'?";
    mistake(place_of(key.source()), std::move(text));
  }
}

}  // namespace peeper::config
