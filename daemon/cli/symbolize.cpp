#include "daemon/cli/symbolize.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/unique_fd.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{10};
// What addr2line may say of one file. Beyond: the rest stays unnamed.
constexpr std::size_t kMostOutput = std::size_t{4} << 20;

struct Symbol {
  std::string function;  // empty: not known
  std::string source;    // "FILE:LINE"; empty: not known
};
// Innermost first: what was inlined, then the function itself.
using Symbols = std::vector<Symbol>;

// Reads until its end, or until nobody may wait any longer.
std::string read_all(int fd, Clock::time_point deadline) {
  std::string text;
  std::array<char, 16 * 1024> buffer{};
  while (text.size() < kMostOutput) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wanted{fd, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&wanted, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

// No shell: a path may hold anything.
std::string run_addr2line(const std::string& module, const std::vector<std::uint64_t>& addresses,
                          Clock::time_point deadline) {
  std::vector<std::string> words{"addr2line", "-a", "-f", "-C", "-i", "-e", module};
  for (const std::uint64_t address : addresses) {
    char digits[20];
    const char* end = std::to_chars(digits, digits + sizeof digits, address, 16).ptr;
    words.push_back("0x" + std::string(digits, static_cast<std::size_t>(end - digits)));
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  const UniqueFd read_end{ends[0]};
  UniqueFd write_end{ends[1]};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return {};
  write_end.reset();
  std::string text = read_all(read_end.get(), deadline);
  ::kill(pid, SIGKILL);  // it is at its end, or takes too long
  ::waitpid(pid, nullptr, 0);
  return text;
}

std::string_view next_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// With -a: an address on a line, then a line for the name and one for the place, perhaps several
// times.
std::vector<Symbols> parse(std::string_view text) {
  std::vector<Symbols> all;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.starts_with("0x")) {
      all.emplace_back();
      continue;
    }
    if (all.empty() || text.empty()) break;
    const std::string_view source = next_line(text);
    Symbol symbol;
    if (line != "??") symbol.function = line;
    if (!source.starts_with("??") && !source.ends_with(":?") && !source.ends_with(":0"))
      symbol.source = source.substr(0, source.find(" (discriminator"));
    all.back().push_back(std::move(symbol));
  }
  return all;
}

Reply text_reply(std::string_view text) {
  Reply reply;
  reply.type = Reply::Type::kBulk;
  reply.text = text;
  return reply;
}

void add_text(Reply& map, std::string_view key, std::string_view value) {
  map.elements.push_back(text_reply(key));
  map.elements.push_back(text_reply(value));
}

void add_true(Reply& map, std::string_view key) {
  Reply yes;
  yes.type = Reply::Type::kBoolean;
  yes.integer = 1;
  map.elements.push_back(text_reply(key));
  map.elements.push_back(std::move(yes));
}

std::string text_of(const Reply& map, std::string_view key) {
  const Reply* value = map.field(key);
  return value != nullptr && value->type == Reply::Type::kBulk ? value->text : std::string();
}

std::uint64_t address_of(const Reply& frame) {
  const std::string text = text_of(frame, "offset");
  std::uint64_t offset = 0;
  if (text.starts_with("0x"))
    std::from_chars(text.data() + 2, text.data() + text.size(), offset, 16);
  const Reply* exact = frame.field("exact");
  const bool is_exact = exact != nullptr && exact->integer != 0;
  // Of a call what is known is where it returns to; the line is that of the call.
  return is_exact || offset == 0 ? offset : offset - 1;
}

// Written after the crash? Times as SYS CRASHES writes them are in order as texts are.
bool has_changed(const std::string& module, const std::string& time) {
  struct stat facts {};
  std::tm parts{};
  if (::stat(module.c_str(), &facts) != 0) return false;
  char text[32];
  if (::gmtime_r(&facts.st_mtime, &parts) == nullptr) return false;
  text[std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts)] = '\0';
  return !time.empty() && std::string_view(text) > time;
}

void add_symbols_to(Reply& backtrace, const Reply& crash) {
  std::map<std::string, std::vector<std::size_t>> of_module;  // which frames
  for (std::size_t i = 0; i < backtrace.elements.size(); ++i) {
    const std::string module = text_of(backtrace.elements[i], "module");
    if (module.starts_with('/')) of_module[module].push_back(i);
  }
  const auto deadline = Clock::now() + kPatience;
  std::vector<Symbols> symbols(backtrace.elements.size());
  for (const auto& [module, frames] : of_module) {
    std::vector<std::uint64_t> addresses;
    for (const std::size_t i : frames) addresses.push_back(address_of(backtrace.elements[i]));
    std::vector<Symbols> found = parse(run_addr2line(module, addresses, deadline));
    if (found.size() != frames.size()) continue;
    for (std::size_t k = 0; k < frames.size(); ++k) symbols[frames[k]] = std::move(found[k]);
    if (!has_changed(module, text_of(crash, "time"))) continue;
    for (const std::size_t i : frames) add_true(backtrace.elements[i], "changed");
  }
  std::vector<Reply> frames;
  for (std::size_t i = 0; i < backtrace.elements.size(); ++i) {
    const Reply& frame = backtrace.elements[i];
    if (symbols[i].empty()) symbols[i].emplace_back();
    for (std::size_t k = 0; k < symbols[i].size(); ++k) {
      Reply named = frame;
      const Symbol& symbol = symbols[i][k];
      if (!symbol.function.empty()) add_text(named, "function", symbol.function);
      if (!symbol.source.empty()) add_text(named, "source", symbol.source);
      if (k + 1 < symbols[i].size()) add_true(named, "inlined");
      frames.push_back(std::move(named));
    }
  }
  backtrace.elements = std::move(frames);
}

}  // namespace

void add_symbols(Reply& crash) {
  if (crash.type != Reply::Type::kMap) return;
  for (std::size_t i = 0; i + 1 < crash.elements.size(); i += 2) {
    Reply& value = crash.elements[i + 1];
    if (crash.elements[i].text == "backtrace" && value.type == Reply::Type::kArray) {
      Reply backtrace = std::move(value);
      value = {};
      add_symbols_to(backtrace, crash);
      value = std::move(backtrace);
      return;
    }
  }
}

}  // namespace peeper::cli
