#include "daemon/cli/shell.hpp"

#include <editline/readline.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "common/write_all.hpp"
#include "daemon/cli/line_reader.hpp"
#include "daemon/cli/option_parts.hpp"
#include "daemon/cli/shell_vocabulary.hpp"
#include "daemon/cli/shell_words.hpp"

namespace peeper::cli {
namespace {

constexpr const char* kPrompt = "peeper> ";
constexpr int kHistoryLines = 1000;

struct Free {
  void operator()(char* text) const { std::free(text); }
};

// --- What completes words: libedit's functions have no argument of ours --------------------------

ShellVocabulary* shell_vocabulary = nullptr;

// As readline wants them: the longest beginning that all have first. Its memory is libedit's.
char** complete(const char*, int, int end) {
  ::rl_attempted_completion_over = 1;
  const std::string_view line{::rl_line_buffer, static_cast<std::size_t>(end)};
  const std::vector<std::string> found = completions(line, shell_vocabulary->of(line));
  if (found.empty()) return nullptr;
  std::string common = found[0];
  for (const std::string& one : found)
    common.resize(static_cast<std::size_t>(
        std::ranges::mismatch(common, one).in1 - common.begin()));
  auto** matches = static_cast<char**>(std::calloc(found.size() + 2, sizeof(char*)));
  if (matches == nullptr) return nullptr;
  matches[0] = ::strdup(common.c_str());
  if (found.size() == 1) return matches;
  for (std::size_t i = 0; i < found.size(); ++i) matches[i + 1] = ::strdup(found[i].c_str());
  return matches;
}

// --- History -------------------------------------------------------------------------------------

// In the user's directory for such things; none if there is no home.
std::filesystem::path history_file() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string own = variable("PEEPER_HISTORY"); !own.empty()) return own;
  if (const std::string state = variable("XDG_STATE_HOME"); !state.empty())
    return std::filesystem::path{state} / "peeper_history";
  if (const std::string home = variable("HOME"); !home.empty())
    return std::filesystem::path{home} / ".local/state/peeper_history";
  return {};
}

// Messages may hold what is nobody else's business.
class History {
 public:
  History() : file_(history_file()) {
    ::using_history();
    ::stifle_history(kHistoryLines);
    if (!file_.empty()) ::read_history(file_.c_str());
  }
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // Kept at once: whatever ends the shell.
  void add(const std::string& line) {
    if (line == last_) return;
    ::add_history(line.c_str());
    last_ = line;
    if (file_.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    const mode_t before = ::umask(0077);
    ::write_history(file_.c_str());
    ::umask(before);
  }

 private:
  std::filesystem::path file_;
  std::string last_;
};

// --- Commands ------------------------------------------------------------------------------------

std::vector<std::string> names_of_commands() {
  Fields fields;
  CLI::App app{"", "peeper"};
  describe(app, fields);
  std::vector<std::string> names{"help", "exit"};
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (command->get_name() != "shell" && command->get_name() != "completion")
      names.push_back(command->get_name());
  std::ranges::sort(names);
  return names;
}

// Where commands run. At a prompt each is a process of its own: Ctrl-C ends a command that goes on by
// itself, and not the shell.
enum class Where { kHere, kApart };

class Shell {
 public:
  Shell(const Options& options, Targets targets, Where where)
      : options_(options), targets_(targets), where_(where) {}

  // False: that was the last one.
  bool run_line(std::string_view line) {
    auto words = split_words(line);
    if (!words) {
      return print({"", "peeper: " + words.error().what + "\n", kUsage});
    }
    if (words->empty()) return true;
    if (words->size() == 1 && ((*words)[0] == "exit" || (*words)[0] == "quit")) return false;
    if ((*words)[0] == "shell") return print({"", "peeper: this is the shell already\n", kUsage});
    if ((*words)[0] == "help") {
      words->erase(words->begin());
      words->push_back("--help");
    }
    const auto parsed = parse_options(with_ours(*std::move(words)));
    if (const auto* usage = std::get_if<Usage>(&parsed))
      return print(usage->exit_code == kDone ? Output{usage->text, "", kDone}
                                             : Output{"", usage->text, usage->exit_code});
    const auto& options = std::get<Options>(parsed);
    return where_ == Where::kHere ? print(run(options, targets_)) : run_apart(options);
  }
  [[nodiscard]] int exit_code() const { return exit_code_; }

 private:
  // What the shell was started with comes first, so that a line may say something else.
  [[nodiscard]] std::vector<std::string> with_ours(std::vector<std::string> words) const {
    std::vector<std::string> ours{"--socket", options_.socket};
    if (options_.json) ours.emplace_back("--json");
    if (!options_.retry) ours.emplace_back("--no-retry");
    if (options_.wait)
      ours.insert(ours.end(), {"--timeout", std::to_string(options_.wait->count())});
    words.insert(words.begin(), ours.begin(), ours.end());
    return words;
  }

  bool run_apart(const Options& options) {
    const pid_t pid = ::fork();
    if (pid < 0) return print({"", system_failure("peeper: no process for it", errno).what + "\n", 1});
    if (pid == 0) {
      std::signal(SIGINT, SIG_DFL);
      print(run(options, targets_));
      ::_exit(exit_code_);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    // As a shell has it.
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (!WIFEXITED(status)) write_all(STDOUT_FILENO, "\n");
    return true;
  }

  bool print(const Output& output) {
    exit_code_ = output.exit_code;
    write_all(STDERR_FILENO, output.err);
    const int error = write_all(STDOUT_FILENO, output.out);
    if (error != 0 && error != EPIPE) exit_code_ = kCannotWrite;
    return error == 0;
  }

  const Options& options_;
  const Targets targets_;
  const Where where_;
  int exit_code_ = kDone;
};

int type_lines(Shell& shell) {
  std::signal(SIGINT, SIG_IGN);
  History history;
  ::rl_readline_name = "peeper";
  ::rl_attempted_completion_function = complete;
  static char no_breaks[] = " ";  // words are ours to find
  ::rl_completer_word_break_characters = no_breaks;
  while (true) {
    const std::unique_ptr<char, Free> line{::readline(kPrompt)};
    if (!line) {
      write_all(STDOUT_FILENO, "\n");
      return shell.exit_code();
    }
    if (std::strspn(line.get(), " \t") != std::strlen(line.get())) history.add(line.get());
    if (!shell.run_line(line.get())) return shell.exit_code();
  }
}

}  // namespace

Output run_shell(const Options& options, Targets targets) {
  if (::isatty(STDIN_FILENO) == 1 && targets.out == Target::kTerminal) {
    Shell shell{options, targets, Where::kApart};
    const std::vector<std::string> commands = names_of_commands();
    ShellVocabulary vocabulary{options, commands};
    shell_vocabulary = &vocabulary;
    return {"", "", type_lines(shell)};
  }
  Shell shell{options, targets, Where::kHere};
  LineReader lines{STDIN_FILENO};
  while (const auto line = lines.next())
    if (!shell.run_line(*line)) break;
  return {"", "", shell.exit_code()};
}

}  // namespace peeper::cli
