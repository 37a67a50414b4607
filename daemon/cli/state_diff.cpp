#include "daemon/cli/state_diff.hpp"

#include <algorithm>
#include <cstddef>
#include <map>

#include "daemon/cli/render_json.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

bool is_map(const Reply& reply) { return reply.type == Reply::Type::kMap; }
bool is_set(const Reply& reply) { return reply.type == Reply::Type::kSet; }
bool is_array(const Reply& reply) {
  return reply.type == Reply::Type::kArray || reply.type == Reply::Type::kPush;
}

// One word for each value: those of two values are the same only if the values are.
void append_word(const Reply& reply, std::string& word) {
  word += std::to_string(static_cast<int>(reply.type)) + ":" + std::to_string(reply.integer) + ":" +
          std::to_string(reply.text.size()) + ":" + reply.text + ":" +
          std::to_string(reply.elements.size()) + ":";
  for (const Reply& element : reply.elements) append_word(element, word);
}
std::string word_of(const Reply& reply) {
  std::string word;
  append_word(reply, word);
  return word;
}

std::string key_of(const Reply& key) {
  const std::string text = key.elements.empty() ? entry_text(key) : render_json(key);
  return text.find('.') == text.npos ? text : '"' + text + '"';
}

class Comparison {
 public:
  void compare(const Reply& before, const Reply& after, const std::string& path) {
    if (is_map(before) && is_map(after)) return compare_maps(before, after, path);
    if (is_array(before) && is_array(after)) return compare_arrays(before, after, path);
    if (is_set(before) && is_set(after)) return compare_sets(before, after, path);
    if (!is_same(before, after))
      found_.push_back({Difference::Kind::kChanged, path, &before, &after});
  }
  [[nodiscard]] std::vector<Difference> take() && { return std::move(found_); }

 private:
  static std::string under(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }
  void removed(const Reply& value, const std::string& path) {
    found_.push_back({Difference::Kind::kRemoved, path, &value, nullptr});
  }
  void added(const Reply& value, const std::string& path) {
    found_.push_back({Difference::Kind::kAdded, path, nullptr, &value});
  }

  void compare_maps(const Reply& before, const Reply& after, const std::string& path) {
    std::map<std::string, const Reply*> left;
    for (std::size_t i = 0; i + 1 < before.elements.size(); i += 2)
      left.emplace(word_of(before.elements[i]), &before.elements[i + 1]);
    for (std::size_t i = 0; i + 1 < after.elements.size(); i += 2) {
      const Reply& key = after.elements[i];
      const auto found = left.find(word_of(key));
      if (found == left.end()) {
        added(after.elements[i + 1], under(path, key_of(key)));
        continue;
      }
      compare(*found->second, after.elements[i + 1], under(path, key_of(key)));
      left.erase(found);
    }
    for (std::size_t i = 0; i + 1 < before.elements.size(); i += 2)
      if (left.erase(word_of(before.elements[i])) != 0)
        removed(before.elements[i + 1], under(path, key_of(before.elements[i])));
  }

  void compare_arrays(const Reply& before, const Reply& after, const std::string& path) {
    const std::size_t both = std::min(before.elements.size(), after.elements.size());
    for (std::size_t i = 0; i < both; ++i)
      compare(before.elements[i], after.elements[i], under(path, std::to_string(i)));
    for (std::size_t i = both; i < after.elements.size(); ++i)
      added(after.elements[i], under(path, std::to_string(i)));
    for (std::size_t i = both; i < before.elements.size(); ++i)
      removed(before.elements[i], under(path, std::to_string(i)));
  }

  void compare_sets(const Reply& before, const Reply& after, const std::string& path) {
    std::map<std::string, const Reply*> left;
    for (const Reply& value : before.elements) left.emplace(word_of(value), &value);
    for (const Reply& value : after.elements)
      if (left.erase(word_of(value)) == 0) added(value, under(path, key_of(value)));
    for (const auto& [word, value] : left) removed(*value, under(path, key_of(*value)));
  }

  std::vector<Difference> found_;
};

}  // namespace

bool is_same(const Reply& a, const Reply& b) {
  return a.type == b.type && a.integer == b.integer && a.text == b.text &&
         std::ranges::equal(a.elements, b.elements, is_same);
}

std::vector<Difference> differences(const Reply& before, const Reply& after) {
  Comparison comparison;
  comparison.compare(before, after, "");
  return std::move(comparison).take();
}

}  // namespace peeper::cli
