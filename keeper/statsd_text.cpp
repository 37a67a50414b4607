#include "keeper/statsd_text.hpp"

#include <charconv>
#include <optional>

#include "keeper/json_diff.hpp"

namespace peeper::keeper {
namespace {

namespace json = boost::json;

constexpr std::size_t kNameBytes = 250;  // longer ones no statsd keeps; they are not told

bool is_of_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

// Keys with a '.' in them look like a deeper path: that is all right for a name.
std::string name_of_path(std::string_view path) {
  std::string name;
  while (true) {
    const std::size_t dot = path.find('.');
    name += "." + statsd_word(path.substr(0, dot));
    if (dot == path.npos) return name;
    path.remove_prefix(dot + 1);
  }
}

template <class Number>
std::string digits_of(Number number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  return {text, end};
}

std::optional<std::string> number_text(const json::value& value) {
  if (const auto* number = value.if_int64()) return digits_of(*number);
  if (const auto* number = value.if_uint64()) return digits_of(*number);
  if (const auto* number = value.if_double()) return digits_of(*number);
  return std::nullopt;
}

class Datagrams {
 public:
  void add(const std::string& line) {
    if (made_.empty() || made_.back().size() + 1 + line.size() > kDatagramBytes)
      made_.push_back(line);
    else
      made_.back() += "\n" + line;
  }
  [[nodiscard]] std::vector<std::string> take() && { return std::move(made_); }

 private:
  std::vector<std::string> made_;
};

}  // namespace

std::string statsd_word(std::string_view text) {
  std::string word{text};
  for (char& c : word)
    if (!is_of_word(c)) c = '_';
  return word.empty() ? "_" : word;
}

std::vector<std::string> statsd_datagrams(const StateEvent& event) {
  const std::string prefix = "peeper." + statsd_word(event.server);
  Datagrams datagrams;
  if (event.kind == StateEvent::Kind::kTerminated) {
    datagrams.add(prefix + ".terminations:1|c");
    return std::move(datagrams).take();
  }
  datagrams.add(prefix + ".changes:" + std::to_string(event.changes) + "|c");
  std::size_t gauges = 0;
  const SeeLeaf tell = [&](const std::string& path, const json::value& leaf) {
    const auto number = number_text(leaf);
    if (!number) return true;
    const std::string name = prefix + (path.empty() ? ".state" : name_of_path(path));
    if (name.size() > kNameBytes) return true;
    // A sign makes it a difference to the former value; so it becomes 0 first, in one datagram.
    const std::string zero = number->front() == '-' ? name + ":0|g\n" : "";
    datagrams.add(zero + name + ":" + *number + "|g");
    return ++gauges < kMostGauges;
  };
  see_differences(event.old_state, event.state,
                  [&](const std::string& path, const json::value*, const json::value* after) {
                    if (after != nullptr) see_leaves(*after, path, tell);
                    return gauges < kMostGauges;
                  });
  return std::move(datagrams).take();
}

}  // namespace peeper::keeper
