#include "keeper/json_diff.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace peeper::keeper {
namespace {

namespace json = boost::json;

// One path for all, which grows and shrinks: most of what is looked at is no difference.
class Path {
 public:
  explicit Path(std::string text) : text_(std::move(text)) {}

  // Calls `inside` with the path one step longer.
  template <class Inside>
  bool step(std::string_view key, Inside inside) {
    const std::size_t before = text_.size();
    if (before != 0) text_ += '.';
    text_ += key;
    const bool goes_on = inside();
    text_.resize(before);
    return goes_on;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

class Comparison {
 public:
  explicit Comparison(const SeeDifference& see) : see_(see) {}

  bool compare(const json::value& before, const json::value& after) {
    if (before.is_object() && after.is_object())
      return compare_objects(before.get_object(), after.get_object());
    if (before.is_array() && after.is_array())
      return compare_arrays(before.get_array(), after.get_array());
    return before == after || see_(path_.text(), &before, &after);
  }

 private:
  bool see(std::string_view key, const json::value* before, const json::value* after) {
    return path_.step(key, [&] { return see_(path_.text(), before, after); });
  }

  bool compare_objects(const json::object& before, const json::object& after) {
    for (const auto& entry : after) {
      const json::value* old = before.if_contains(entry.key());
      const bool goes_on =
          old == nullptr
              ? see(entry.key(), nullptr, &entry.value())
              : path_.step(entry.key(), [&] { return compare(*old, entry.value()); });
      if (!goes_on) return false;
    }
    for (const auto& entry : before)
      if (!after.contains(entry.key()) && !see(entry.key(), &entry.value(), nullptr)) return false;
    return true;
  }

  bool compare_arrays(const json::array& before, const json::array& after) {
    const std::size_t both = std::min(before.size(), after.size());
    for (std::size_t i = 0; i < both; ++i)
      if (!path_.step(std::to_string(i), [&] { return compare(before[i], after[i]); }))
        return false;
    for (std::size_t i = both; i < after.size(); ++i)
      if (!see(std::to_string(i), nullptr, &after[i])) return false;
    for (std::size_t i = both; i < before.size(); ++i)
      if (!see(std::to_string(i), &before[i], nullptr)) return false;
    return true;
  }

  const SeeDifference& see_;
  Path path_{""};
};

bool walk(const json::value& value, Path& path, const SeeLeaf& see) {
  if (const auto* object = value.if_object()) {
    for (const auto& entry : *object)
      if (!path.step(entry.key(), [&] { return walk(entry.value(), path, see); })) return false;
    return true;
  }
  if (const auto* array = value.if_array()) {
    for (std::size_t i = 0; i < array->size(); ++i)
      if (!path.step(std::to_string(i), [&] { return walk((*array)[i], path, see); }))
        return false;
    return true;
  }
  return see(path.text(), value);
}

}  // namespace

void see_differences(const json::value& before, const json::value& after,
                     const SeeDifference& see) {
  Comparison{see}.compare(before, after);
}

void see_leaves(const json::value& value, const std::string& path, const SeeLeaf& see) {
  Path from{path};
  walk(value, from, see);
}

}  // namespace peeper::keeper
