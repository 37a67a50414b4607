// A program on a terminal of its own, as a person sees and uses it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/unique_fd.hpp"
#include "process.hpp"

namespace peeper::test {

// Killed and reaped at the end; dies with the test, however that dies.
class Pty {
 public:
  struct Size {
    unsigned short rows = 24;
    unsigned short columns = 80;
  };
  Pty(const std::vector<std::string>& command, Size size,
      const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~Pty();
  Pty(const Pty&) = delete;
  Pty& operator=(const Pty&) = delete;

  void type(std::string_view keys) const;
  void resize(Size size) const;
  void signal(int number) const;

  // Reads on until what it has written since the beginning is so; false after the patience, or when
  // the program is gone.
  bool await(const std::function<bool(const std::string& all)>& condition);
  // Until the last whole screen that it drew (from a cursor's way home on) has this text.
  bool await_on_screen(std::string_view text);
  // Reads what comes within that time.
  void look(std::chrono::milliseconds time);
  // That screen, without what commands the terminal.
  [[nodiscard]] std::string screen() const;
  [[nodiscard]] const std::string& all() const { return all_; }
  // The wait status; none after the patience.
  std::optional<int> wait();

 private:
  bool read_some(std::chrono::milliseconds patience);

  UniqueFd terminal_;
  int pid_ = -1;
  std::optional<int> status_;
  std::string all_;
};

}  // namespace peeper::test
