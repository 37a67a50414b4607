// One table of the file while it is read: hands out the values of its keys, collects the mistakes
// in them, and knows at the end which keys nobody asked for. Internal to load.cpp; the one header
// here that shows toml++. Owner: load.cpp, for the length of one parse().
#pragma once

#include <toml++/toml.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/config/load.hpp"
#include "daemon/config/values.hpp"
#include "daemon/config/words.hpp"

namespace peeper::config {

[[nodiscard]] Place place_of(const toml::source_region& source);
// "the integer 5", "an array": what a mistake says was found.
[[nodiscard]] std::string kind_of(const toml::node& node);

class Section {
 public:
  struct Range {
    std::uint64_t least;
    std::uint64_t most;
  };

  // `title` as in the file: "[daemon]". The table and the mistakes must outlive the section.
  Section(const toml::table& table, std::string title, std::vector<Mistake>& mistakes)
      : table_(table), title_(std::move(title)), mistakes_(mistakes) {}

  // A table in this one.
  [[nodiscard]] Section inner(const toml::table& table, std::string title) const {
    return {table, std::move(title), mistakes_};
  }

  // The value of a key, which from now on counts as known; null if it isn't there.
  const toml::node* find(std::string_view key);
  // Where a key's value stands, or the section if it isn't there.
  [[nodiscard]] Place place(std::string_view key) const;

  void require(std::string_view key);

  // Each leaves `value` alone if the key isn't there or its value is a mistake.
  template <class T, class U>
  void read_text(std::string_view key, Result<U> (*parse)(std::string_view), T& value);
  template <class Enum>
  void read_word(std::string_view key, Enum& value);
  // An array of words; one that stands there twice counts once.
  template <class Enum>
  void read_words(std::string_view key, std::vector<Enum>& values);
  void read_flag(std::string_view key, bool& value);
  void read_count(std::string_view key, Range range, std::uint32_t& value);
  void read_seconds(std::string_view key, std::chrono::seconds& value);
  void read_size(std::string_view key, Range range, std::size_t& value);
  // Durations beside their words. `zero` says whether the bare integer 0 is one as well.
  enum class BareZero { kRefused, kAllowed };
  template <class T>
  void read_duration(std::string_view key, Result<T> (*parse)(std::string_view), T& value,
                     BareZero zero = BareZero::kRefused);

  void mistake(Place place, std::string text);
  void mistake(const toml::node& node, std::string_view key, std::string_view text);
  void mistake_of_type(const toml::node& node, std::string_view key, std::string_view expected);
  // `other`: has been read, too, and perhaps knows them.
  void report_unknown_keys(const Section* other = nullptr);

 private:
  [[nodiscard]] bool knows(std::string_view key) const {
    return std::ranges::find(known_, key) != known_.end();
  }
  void refuse_bare_duration(const toml::node& node, std::string_view key);

  const toml::table& table_;
  std::string title_;
  std::vector<Mistake>& mistakes_;
  std::vector<std::string_view> known_;
};

template <class T, class U>
void Section::read_text(std::string_view key, Result<U> (*parse)(std::string_view), T& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::value<std::string>* text = node->as_string();
  if (text == nullptr) return mistake_of_type(*node, key, "a string");
  Result<U> parsed = parse(text->get());
  if (!parsed) return mistake(*node, key, parsed.error().what);
  value = std::move(*parsed);
}

template <class Enum>
void Section::read_word(std::string_view key, Enum& value) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::value<std::string>* text = node->as_string();
  if (text == nullptr) return mistake_of_type(*node, key, all_words<Enum>());
  const std::optional<Enum> word = from_word<Enum>(text->get());
  if (!word) {
    return mistake(*node, key,
                   "expected " + all_words<Enum>() + ", found " + in_quotes(text->get()));
  }
  value = *word;
}

template <class Enum>
void Section::read_words(std::string_view key, std::vector<Enum>& values) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return mistake_of_type(*node, key, "an array of " + all_words<Enum>());
  std::vector<Enum> found;
  for (const toml::node& element : *array) {
    const toml::value<std::string>* text = element.as_string();
    if (text == nullptr) return mistake_of_type(element, key, all_words<Enum>());
    const std::optional<Enum> word = from_word<Enum>(text->get());
    if (!word) {
      return mistake(element, key,
                     "expected " + all_words<Enum>() + ", found " + in_quotes(text->get()));
    }
    if (std::ranges::find(found, *word) == found.end()) found.push_back(*word);
  }
  values = std::move(found);
}

template <class T>
void Section::read_duration(std::string_view key, Result<T> (*parse)(std::string_view), T& value,
                            BareZero zero) {
  const toml::node* node = find(key);
  if (node == nullptr) return;
  if (zero == BareZero::kAllowed && node->value_exact<std::int64_t>() == 0) {
    value = T{};
  } else if (node->is_integer()) {
    refuse_bare_duration(*node, key);
  } else {
    read_text(key, parse, value);
  }
}

}  // namespace peeper::config
