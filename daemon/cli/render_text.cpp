#include "daemon/cli/render_text.hpp"

#include <algorithm>

#include "common/utf8.hpp"
#include "daemon/cli/render_json.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

constexpr std::size_t kIndent = 2;
// Longer keys do not push the values of all others to the right.
constexpr std::size_t kMostAlignedKey = 32;

enum class Keys { kPlain, kAligned };

bool is_container(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kArray:
    case Reply::Type::kMap:
    case Reply::Type::kSet:
    case Reply::Type::kPush: return true;
    case Reply::Type::kStatus:
    case Reply::Type::kError:
    case Reply::Type::kInteger:
    case Reply::Type::kBulk:
    case Reply::Type::kNull:
    case Reply::Type::kBoolean:
    case Reply::Type::kDouble:
    case Reply::Type::kBigNumber:
    case Reply::Type::kVerbatim: return false;
  }
  return false;
}

bool is_tree(const Reply& reply) { return is_container(reply) && !reply.elements.empty(); }

// Unescaped. An empty container has a name.
std::string plain_text(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kStatus:
    case Reply::Type::kBulk:
    case Reply::Type::kVerbatim:
    case Reply::Type::kDouble:
    case Reply::Type::kBigNumber: return reply.text;
    case Reply::Type::kError: return "(error) " + reply.text;
    case Reply::Type::kInteger: return std::to_string(reply.integer);
    case Reply::Type::kNull: return "(nil)";
    case Reply::Type::kBoolean: return reply.integer != 0 ? "true" : "false";
    case Reply::Type::kArray:
    case Reply::Type::kPush: return "(empty array)";
    case Reply::Type::kMap: return "(empty map)";
    case Reply::Type::kSet: return "(empty set)";
  }
  return {};
}

std::string key_text(const Reply& key) { return is_tree(key) ? render_json(key) : entry_text(key); }

// Writes containers as an indented tree. Recursion is no deeper than values nest.
class TreeWriter {
 public:
  explicit TreeWriter(Keys keys) : keys_(keys) {}

  // `indent`: of the tree's lines. The first line's indentation is there already.
  void write(const Reply& tree, std::size_t indent) {
    const std::size_t step = tree.type == Reply::Type::kMap ? 2 : 1;
    const std::size_t aligned = value_column(tree);
    for (std::size_t i = 0; i + step <= tree.elements.size(); i += step) {
      if (i > 0) out_.append(indent, ' ');
      if (tree.type == Reply::Type::kMap) {
        write_pair(tree.elements[i], tree.elements[i + 1], indent, aligned);
      } else {
        out_ += "- ";
        write_element(tree.elements[i], indent + kIndent);
      }
    }
  }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void write_element(const Reply& element, std::size_t indent) {
    if (is_tree(element)) return write(element, indent);
    out_ += entry_text(element);
    out_ += '\n';
  }

  void write_pair(const Reply& key, const Reply& value, std::size_t indent, std::size_t aligned) {
    const std::string name = key_text(key) + ":";
    out_ += name;
    if (is_tree(value)) {
      out_ += '\n';
      out_.append(indent + kIndent, ' ');
    } else {
      const std::size_t used = width(name);
      out_.append(aligned > used ? aligned - used : 1, ' ');
    }
    write_element(value, indent + kIndent);
  }

  [[nodiscard]] std::size_t value_column(const Reply& tree) const {
    if (keys_ == Keys::kPlain || tree.type != Reply::Type::kMap) return 0;
    std::size_t column = 0;
    for (std::size_t i = 0; i + 1 < tree.elements.size(); i += 2) {
      const std::size_t used = width(key_text(tree.elements[i])) + 2;  // ": "
      if (!is_tree(tree.elements[i + 1]) && used <= kMostAlignedKey) {
        column = std::max(column, used);
      }
    }
    return column;
  }

  Keys keys_;
  std::string out_;
};

std::string render(const Reply& reply, Target target, Keys keys) {
  if (is_tree(reply)) {
    TreeWriter writer(keys);
    writer.write(reply, 0);
    return std::move(writer).take();
  }
  const std::string text = plain_text(reply);
  return (target == Target::kTerminal ? escape_control(text, LineEnds::kKeep) : text) + "\n";
}

}  // namespace

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string cut(std::string_view text, std::size_t columns) {
  if (width(text) <= columns) return std::string(text);
  std::string kept;
  for (std::size_t i = 0; i + 1 < columns; ++i) {
    const std::size_t bytes = first_character(text).bytes;
    kept += text.substr(0, bytes);
    text.remove_prefix(bytes);
  }
  return kept + "~";
}

std::string entry_text(const Reply& reply) {
  const std::string text = plain_text(reply);
  return text.empty() ? "\"\"" : escape_control(text, LineEnds::kEscape);
}

std::string render_value(const Reply& reply, Target target) {
  return render(reply, target, Keys::kPlain);
}

std::string render_fields(const Reply& reply, Target target) {
  return render(reply, target, Keys::kAligned);
}

std::string render_error(std::string_view text, Target target) {
  std::string line = "(error) ";
  line += target == Target::kTerminal ? escape_control(text) : text;
  return line + "\n";
}

}  // namespace peeper::cli
