#include "daemon/cli/watch.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "common/client/client.hpp"
#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/terminal.hpp"

namespace peeper::cli {
namespace {

constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kYellow = "\033[33m";
constexpr std::string_view kPlain = "\033[0m";

std::string shown(const resp::Reply& value) {
  return value.elements.empty() ? entry_text(value) : escape_control(render_json(value));
}

// False: its reader is gone.
bool print(int fd, std::string_view text) { return write_all(fd, text) == 0; }

DiffStyle style_of(Targets targets) {
  DiffStyle style;
  if (targets.out != Target::kTerminal) return style;
  style.colour = allows_colours();
  winsize size{};
  style.columns = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col
                                                                                     : 80;
  return style;
}

class Watch {
 public:
  Watch(const Options& options, Targets targets) : options_(options), targets_(targets) {}

  Output run() {
    while (true) {
      if (const auto end = look()) return *end;
      std::this_thread::sleep_for(options_.delay);
    }
  }

 private:
  // What ends it, if anything.
  std::optional<Output> look() {
    if (!client_) {
      auto connected = Client::connect(client_options(options_));
      if (!connected) return fail(connected.error(), FailedWhen::kConnecting);
      client_.emplace(*std::move(connected));
    }
    const std::string& server = options_.words.at(0);
    const auto status = ask({"SYS", "GET_STATUS", server});
    if (!status) return fail(status.error(), FailedWhen::kAsking);
    if (status->is_error()) return output_for(options_, *status, targets_);
    const resp::Reply* field = status->field("sequence");
    const auto sequence = static_cast<std::uint64_t>(field == nullptr ? 0 : field->integer);
    if (state_ && sequence == sequence_) return std::nullopt;
    auto state = ask({"SYS", "GET_STATE", server});
    if (!state) return fail(state.error(), FailedWhen::kAsking);
    // It is down, or in a long callback: what it was stays shown.
    if (state->is_error()) return tell_trouble(render_error(state->text, targets_.err));
    trouble_.clear();
    const bool goes_on = show(*state, sequence);
    state_ = *std::move(state);
    sequence_ = sequence;
    return goes_on ? std::nullopt : std::optional<Output>{Output{}};
  }

  Result<resp::Reply> ask(const std::vector<std::string_view>& words) {
    auto reply = client_->run(wire(words));
    if (!reply) client_.reset();
    return reply;
  }
  Command wire(const std::vector<std::string_view>& words) const {
    return Command::words(words, Repeat::kNever).patience(waiting_time(options_));
  }

  bool show(const resp::Reply& state, std::uint64_t sequence) const {
    const std::string& server = options_.words[0];
    if (!state_) {
      if (options_.json)
        return print(STDOUT_FILENO, "{\"server\":" + quoted(server) + ",\"sequence\":" +
                                        std::to_string(sequence) +
                                        ",\"state\":" + render_json(state) + "}\n");
      return print(STDOUT_FILENO, head(sequence) + "\n" + render_value(state, targets_.out));
    }
    const auto found = differences(*state_, state);
    if (found.empty()) return true;  // messages that changed nothing
    const std::uint64_t commits = sequence > sequence_ ? sequence - sequence_ : 0;
    if (options_.json)
      return print(STDOUT_FILENO,
                   render_differences_json(server, sequence, commits, found) + "\n");
    return print(STDOUT_FILENO,
                 head(sequence) + ", " + std::to_string(commits) +
                     (commits == 1 ? " commit\n" : " commits\n") +
                     render_differences(found, style_of(targets_)));
  }

  static std::string quoted(const std::string& text) {
    return boost::json::serialize(boost::json::value(text));
  }
  [[nodiscard]] std::string head(std::uint64_t sequence) const {
    return time_of_day_now(Digits::kMilliseconds) + " " + options_.words[0] + ": sequence " + std::to_string(sequence);
  }

  std::optional<Output> fail(const Failure& failure, FailedWhen when) {
    Output output = output_for(options_, failure, when, targets_);
    if (!state_ || !options_.retry) return output;
    return tell_trouble(output.err.empty() ? output.out : output.err);
  }
  // Once, until all is well again.
  std::optional<Output> tell_trouble(const std::string& text) {
    if (std::exchange(trouble_, text) != text) print(STDERR_FILENO, text);
    return std::nullopt;
  }

  const Options& options_;
  const Targets targets_;
  std::optional<Client> client_;
  std::optional<resp::Reply> state_;  // as shown
  std::uint64_t sequence_ = 0;
  std::string trouble_;
};

}  // namespace

std::string render_differences(const std::vector<Difference>& differences, DiffStyle style) {
  std::string out;
  for (const Difference& one : differences) {
    const std::string path = one.path.empty() ? "" : one.path + ": ";
    std::string line;
    std::string_view colour;
    switch (one.kind) {
      case Difference::Kind::kAdded:
        line = "+ " + path + shown(*one.after);
        colour = kGreen;
        break;
      case Difference::Kind::kRemoved:
        line = "- " + path + shown(*one.before);
        colour = kRed;
        break;
      case Difference::Kind::kChanged:
        line = "~ " + path + shown(*one.before) + " -> " + shown(*one.after);
        colour = kYellow;
        break;
    }
    if (style.columns != 0) line = cut(line, style.columns);
    if (style.colour)
      out.append(colour).append(line).append(kPlain);
    else
      out += line;
    out += '\n';
  }
  return out;
}

std::string render_differences_json(std::string_view server, std::uint64_t sequence,
                                    std::uint64_t commits,
                                    const std::vector<Difference>& differences) {
  const auto text = [](std::string_view words) {
    return boost::json::serialize(boost::json::value(boost::json::string(valid_utf8(words))));
  };
  std::string out = "{\"server\":" + text(server) + ",\"sequence\":" + std::to_string(sequence) +
                    ",\"commits\":" + std::to_string(commits) + ",\"changes\":[";
  for (const Difference& one : differences) {
    if (&one != &differences.front()) out += ',';
    out += "{\"path\":" + text(one.path);
    if (one.before != nullptr) out += ",\"before\":" + render_json(*one.before);
    if (one.after != nullptr) out += ",\"after\":" + render_json(*one.after);
    out += '}';
  }
  return out + "]}";
}

Output run_watch(const Options& options, Targets targets) { return Watch{options, targets}.run(); }

}  // namespace peeper::cli
