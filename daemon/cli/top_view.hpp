// What `peeper top` shows and what its keys do, as functions of what peeperd said and of keys. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_servers.hpp"

namespace peeper::cli {

// A key, as far as one means something here.
enum class Key { kNone, kUp, kDown, kPageUp, kPageDown, kEnter, kEscape, kQuit, kCalls, kP99,
                 kMailbox, kCrashes, kUptime, kName, kTree };

// The first key of what a terminal sent, which is taken off. An escape sequence that isn't whole yet
// is Escape only if nothing follows it: read all there is before.
[[nodiscard]] Key take_key(std::string_view& input);

struct Screen {
  std::size_t rows = 24;
  std::size_t columns = 80;
  bool colour = false;
};

class TopView {
 public:
  // False: it is over.
  bool press(Key key);

  void set_servers(resp::Reply children);
  // Of the server that is open.
  void set_status(resp::Reply status);
  // Shown beside what was known last; empty: all is well.
  void set_trouble(std::string text) { trouble_ = std::move(text); }

  // The server that is looked at closely; empty: none.
  [[nodiscard]] const std::string& opened() const { return opened_; }

  // All rows of the screen, each cut to its width, with line ends between them.
  [[nodiscard]] std::string draw(const Screen& screen, std::string_view title) const;

 private:
  [[nodiscard]] ServerTable table(std::optional<std::size_t> columns) const {
    return server_table(children_, sort_, columns);
  }
  void move(std::ptrdiff_t rows);
  void draw_table(const Screen& screen, std::string& out) const;
  void draw_status(const Screen& screen, std::string& out) const;

  resp::Reply children_;
  resp::Reply status_;
  std::string trouble_;
  SortBy sort_ = SortBy::kTree;
  std::string selected_;  // by name: it stays the same one when others move
  std::string opened_;
  std::size_t scrolled_ = 0;  // lines of the status
};

}  // namespace peeper::cli
