#include "peeper/detail/pick.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace peeper::detail {

namespace {

// --- Values that are encoded ---------------------------------------------------------------------

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number number{};
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (bad != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// How a value begins: with what says it all, or with how many others follow.
struct Head {
  char type;
  std::string_view text;  // of the line, or the bytes that the line counts
  std::size_t bytes;
};

std::optional<Head> read_head(std::string_view value) {
  const std::size_t line_end = value.find("\r\n");
  if (line_end == value.npos || line_end == 0) return std::nullopt;
  Head head{value[0], value.substr(1, line_end - 1), line_end + 2};
  if (head.type != '$' && head.type != '!' && head.type != '=') return head;
  const auto size = number_in<std::size_t>(head.text);
  if (!size || *size > value.size() - head.bytes) return std::nullopt;
  head.text = value.substr(head.bytes, *size);
  head.bytes = std::min(value.size(), head.bytes + *size + 2);
  return head;
}

bool is_map(const Head& head) { return head.type == '%'; }
bool is_list(const Head& head) { return head.type == '*' || head.type == '~' || head.type == '>'; }

std::size_t elements_of(const Head& head) {
  if (!is_map(head) && !is_list(head)) return 0;
  return number_in<std::size_t>(head.text).value_or(0) * (is_map(head) ? 2 : 1);
}

// Bytes of the first value; all there are if it is none.
std::size_t length_of(std::string_view values) {
  std::size_t at = 0;
  for (std::size_t missing = 1; missing > 0; --missing) {
    const auto head = read_head(values.substr(at));
    if (!head) return values.size();
    at += head->bytes;
    missing += elements_of(*head);
  }
  return at;
}

// Cuts the first value off.
std::string_view take_value(std::string_view& values) {
  const std::string_view first = values.substr(0, length_of(values));
  values.remove_prefix(first.size());
  return first;
}

// --- Paths ---------------------------------------------------------------------------------------

bool is_plain(std::string_view step) {
  return !step.empty() && step.find_first_of(".\" \\") == step.npos;
}

// Cuts the first step off, and the dot behind it. None: it isn't one.
std::optional<std::string> take_step(std::string_view& path) {
  std::string step;
  if (!path.starts_with('"')) {
    const std::size_t end = std::min(path.find('.'), path.size());
    step = path.substr(0, end);
    path.remove_prefix(end);
    if (step.empty() || step.find('"') != step.npos) return std::nullopt;
  } else {
    std::size_t at = 1;
    for (; at < path.size() && path[at] != '"'; ++at) {
      if (path[at] == '\\') ++at;
      if (at < path.size()) step += path[at];
    }
    if (at >= path.size()) return std::nullopt;
    path.remove_prefix(at + 1);
  }
  if (path.empty()) return step;
  if (path[0] != '.' || path.size() == 1) return std::nullopt;
  path.remove_prefix(1);
  return step;
}

template <class Names>
std::string listed(const Names& names, std::size_t in_all) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text + (std::size(names) < in_all ? ", ..." : "");
}

}  // namespace

std::optional<std::string> scalar_text(std::string_view encoded) {
  const auto head = read_head(encoded);
  if (!head || is_map(*head) || is_list(*head)) return std::nullopt;
  if (head->type == '#') return head->text == "t" ? "true" : "false";
  return std::string(head->type == '_' ? "null" : head->text);
}

std::string as_step(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string step = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') step += '\\';
    step += c;
  }
  return step + '"';
}

Picker::Picker(StateEncoder& out, std::string_view path) : out_(out) {
  const std::string whole(path);
  while (!path.empty()) {
    auto step = take_step(path);
    if (!step) {
      out_.error("BADARG '" + whole +
                 "' is no path: names, indices and keys with dots between them, such as "
                 "accounts.42 or items.3.name; one with a dot is quoted: hosts.\"a.b\".port");
      is_answered_ = true;
      return;
    }
    steps_.push_back(*std::move(step));
  }
}

std::string Picker::walked() const {
  if (at_ == 0) return "the state";
  std::string text;
  for (std::size_t i = 0; i < at_; ++i) text += (i == 0 ? "" : ".") + as_step(steps_[i]);
  return text;
}

void Picker::answer(const std::string& why) {
  out_.error("BADARG " + why);
  is_answered_ = true;
}

std::optional<std::size_t> Picker::member(std::span<const std::string_view> names) {
  const auto found = std::ranges::find(names, step());
  if (found == names.end()) {
    answer("no '" + std::string(step()) + "' in " + walked() +
           (names.empty() ? ", which is empty" : "; there is: " + listed(names, names.size())));
    return std::nullopt;
  }
  go_on();
  return static_cast<std::size_t>(found - names.begin());
}

std::optional<std::size_t> Picker::index(std::size_t size) {
  const auto index = number_in<std::size_t>(step());
  if (!index || *index >= size) {
    answer("no '" + std::string(step()) + "' in " + walked() +
           (size == 0 ? ", which is empty" : "; there is: 0 to " + std::to_string(size - 1)));
    return std::nullopt;
  }
  go_on();
  return index;
}

void Picker::no_key(std::size_t size, const std::vector<std::string>& some) {
  std::string there = ", which is empty";
  if (size != 0 && some.empty())
    there = "; its " + std::to_string(size) +
            " keys are no numbers or texts, so no path names them";
  else if (size != 0)
    there = "; of its " + std::to_string(size) + " keys there is: " + listed(some, size);
  answer("no '" + std::string(step()) + "' in " + walked() + there);
}

void Picker::nothing_in(std::string_view what) {
  answer("no '" + std::string(step()) + "' in " + walked() + ", which is " + std::string(what));
}

void Picker::pick_encoded(std::string_view value) {
  while (!has_arrived()) {
    const auto head = read_head(value);
    if (!head) return nothing_in("no value");
    std::string_view rest = value.substr(head->bytes);
    if (is_map(*head)) {
      const std::size_t size = elements_of(*head) / 2;
      std::vector<std::string> keys;
      bool is_found = false;
      for (std::size_t i = 0; i < size && !rest.empty() && !is_found; ++i) {
        const auto key = scalar_text(take_value(rest));
        value = take_value(rest);
        is_found = key == step();
        if (key && keys.size() < kSomeKeys) keys.push_back(as_step(*key));
      }
      if (!is_found) return no_key(size, keys);
      go_on();
    } else if (is_list(*head)) {
      const auto wanted = index(elements_of(*head));
      if (!wanted) return;
      for (std::size_t i = 0; i < *wanted; ++i) (void)take_value(rest);
      value = take_value(rest);
    } else {
      return nothing_in(head->type == ':' || head->type == ',' || head->type == '('
                            ? "a number"
                            : "text");
    }
  }
  out_.raw(value.substr(0, length_of(value)));
}

}  // namespace peeper::detail
