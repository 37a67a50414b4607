#include "daemon/cli/top_view.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "common/utf8.hpp"

namespace peeper::cli {
namespace {

constexpr std::size_t kPage = 10;
constexpr std::string_view kReverse = "\033[7m";
constexpr std::string_view kBold = "\033[1m";
constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kPlain = "\033[0m";

constexpr std::string_view kKeys =
    "q quit  enter open  sort: c calls/s p p99 m mail x crashes u up n name t tree";
constexpr std::string_view kKeysOpen = "q quit  escape back  up, down";

// Of a line without control characters.
std::string fit(std::string_view line, std::size_t columns) {
  std::string out;
  for (std::size_t i = 0; i < columns && !line.empty(); ++i) {
    const std::size_t bytes = first_character(line).bytes;
    out += line.substr(0, bytes);
    line.remove_prefix(bytes);
  }
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return lines;
}

void add_line(std::string& out, const Screen& screen, std::string_view line,
              std::string_view style = {}) {
  const std::string shown = fit(line, screen.columns);
  if (screen.colour && !style.empty())
    out.append(style).append(shown).append(kPlain);
  else
    out += shown;
  out += '\n';
}

}  // namespace

Key take_key(std::string_view& input) {
  if (input.empty()) return Key::kNone;
  static constexpr std::array<std::pair<std::string_view, Key>, 6> kSequences{
      {{"\033[A", Key::kUp}, {"\033[B", Key::kDown}, {"\033OA", Key::kUp}, {"\033OB", Key::kDown},
       {"\033[5~", Key::kPageUp}, {"\033[6~", Key::kPageDown}}};
  for (const auto& [sequence, key] : kSequences) {
    if (!input.starts_with(sequence)) continue;
    input.remove_prefix(sequence.size());
    return key;
  }
  const char c = input[0];
  if (c == '\033' && input.size() > 1 && (input[1] == '[' || input[1] == 'O')) {
    // Some other sequence: it ends with a letter or '~'.
    std::size_t end = 2;
    while (end < input.size() && (input[end] < '@' || input[end] > '~')) ++end;
    input.remove_prefix(std::min(end + 1, input.size()));
    return Key::kNone;
  }
  input.remove_prefix(1);
  switch (c) {
    case '\033': return Key::kEscape;
    case '\r':
    case '\n': return Key::kEnter;
    case 'q':
    case '\003': return Key::kQuit;
    case 'k': return Key::kUp;
    case 'j': return Key::kDown;
    case 'c': return Key::kCalls;
    case 'p': return Key::kP99;
    case 'm': return Key::kMailbox;
    case 'x': return Key::kCrashes;
    case 'u': return Key::kUptime;
    case 'n': return Key::kName;
    case 't': return Key::kTree;
    default: return Key::kNone;
  }
}

bool TopView::press(Key key) {
  switch (key) {
    case Key::kNone: break;
    case Key::kQuit: return false;
    case Key::kUp: move(-1); break;
    case Key::kDown: move(1); break;
    case Key::kPageUp: move(-static_cast<std::ptrdiff_t>(kPage)); break;
    case Key::kPageDown: move(kPage); break;
    case Key::kEnter:
      if (opened_.empty() && !selected_.empty()) {
        opened_ = selected_;
        status_ = {};
        scrolled_ = 0;
      }
      break;
    case Key::kEscape: opened_.clear(); break;
    case Key::kCalls: sort_ = SortBy::kCalls; break;
    case Key::kP99: sort_ = SortBy::kP99; break;
    case Key::kMailbox: sort_ = SortBy::kMailbox; break;
    case Key::kCrashes: sort_ = SortBy::kCrashes; break;
    case Key::kUptime: sort_ = SortBy::kUptime; break;
    case Key::kName: sort_ = SortBy::kName; break;
    case Key::kTree: sort_ = SortBy::kTree; break;
  }
  return true;
}

// Groups can't be opened, and are passed by.
void TopView::move(std::ptrdiff_t rows) {
  if (!opened_.empty()) {
    const auto to = static_cast<std::ptrdiff_t>(scrolled_) + rows;
    scrolled_ = static_cast<std::size_t>(std::max<std::ptrdiff_t>(to, 0));
    return;
  }
  std::vector<std::string> servers = table({}).servers;
  std::erase(servers, "");
  if (servers.empty()) return;
  const auto found = std::ranges::find(servers, selected_);
  const std::ptrdiff_t at = found == servers.end() ? 0 : found - servers.begin();
  const auto last = static_cast<std::ptrdiff_t>(servers.size()) - 1;
  selected_ = servers[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at + rows, 0, last))];
}

void TopView::set_servers(resp::Reply children) {
  children_ = std::move(children);
  const std::vector<std::string> servers = table({}).servers;
  if (std::ranges::find(servers, selected_) != servers.end() && !selected_.empty()) return;
  const auto first = std::ranges::find_if(servers, [](const auto& name) { return !name.empty(); });
  selected_ = first == servers.end() ? "" : *first;
}

void TopView::set_status(resp::Reply status) { status_ = std::move(status); }

// The selected one is always on the screen.
void TopView::draw_table(const Screen& screen, std::string& out) const {
  const ServerTable shown = table(screen.columns);
  add_line(out, screen, shown.header, kBold);
  const std::size_t room = screen.rows > 3 ? screen.rows - 3 : 1;
  const auto found = std::ranges::find(shown.servers, selected_);
  const auto at = static_cast<std::size_t>(found - shown.servers.begin());
  const std::size_t first = at < room ? 0 : at - room + 1;
  for (std::size_t i = first; i < first + room; ++i) {
    if (i >= shown.lines.size()) {
      out += '\n';
      continue;
    }
    const bool is_selected = i == at && !selected_.empty();
    // Without colours it is marked in its last column, which no line needs.
    if (is_selected && !screen.colour)
      add_line(out, screen, fit(shown.lines[i], screen.columns - 2) + " <");
    else
      add_line(out, screen, shown.lines[i], is_selected ? kReverse : std::string_view{});
  }
}

void TopView::draw_status(const Screen& screen, std::string& out) const {
  const std::vector<std::string> lines =
      status_.elements.empty() ? std::vector<std::string>{}
                               : lines_of(render_fields(status_, Target::kTerminal));
  add_line(out, screen, opened_, kBold);
  const std::size_t room = screen.rows > 3 ? screen.rows - 3 : 1;
  const std::size_t most = lines.size() > room ? lines.size() - room : 0;
  const std::size_t first = std::min(scrolled_, most);
  for (std::size_t i = first; i < first + room; ++i)
    add_line(out, screen, i < lines.size() ? std::string_view{lines[i]} : std::string_view{});
}

std::string TopView::draw(const Screen& screen, std::string_view title) const {
  std::string out;
  if (trouble_.empty())
    add_line(out, screen, title);
  else
    add_line(out, screen, escape_control(trouble_), kRed);
  if (opened_.empty())
    draw_table(screen, out);
  else
    draw_status(screen, out);
  add_line(out, screen, opened_.empty() ? kKeys : kKeysOpen);
  out.pop_back();
  return out;
}

}  // namespace peeper::cli
