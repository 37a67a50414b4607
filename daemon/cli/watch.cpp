#include "daemon/cli/watch.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "common/client/client.hpp"
#include "common/client/subscription.hpp"
#include "common/json/json_text.hpp"
#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/map_fields.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/terminal.hpp"

namespace peeper::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// Between two changes that are shown.
constexpr Milliseconds kShortest{100};
// Between two looks at whether something is to be asked again.
constexpr Milliseconds kLook{1000};

constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kGreen = "\033[32m";
constexpr std::string_view kYellow = "\033[33m";
constexpr std::string_view kPlain = "\033[0m";

std::string shown(const resp::Reply& value) {
  return value.elements.empty() ? entry_text(value) : render_json(value);
}

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
  Watch(const Options& options, Targets targets, const Write& write)
      : options_(options), targets_(targets), write_(write) {}

  Output run() {
    // First, so that between the two nothing is missed.
    auto subscription = Subscription::open({server()}, following_options(options_));
    if (!subscription)
      return output_for(options_, subscription.error(), FailedWhen::kConnecting, targets_);
    if (auto end = look()) return *std::move(end);
    std::size_t losses = 0;
    constexpr auto kNotLost = Clock::time_point::max();
    Clock::time_point lost_since = kNotLost;
    while (true) {
      const bool is_lost = lost_since != kNotLost;
      auto got = subscription->next(is_lost ? kLook : until_next_line());
      if (subscription->losses() != losses) {
        losses = subscription->losses();
        is_in_doubt_ = true;
      }
      if (got || got.error().system_error == ETIMEDOUT) {
        lost_since = kNotLost;
        if (got && !take(got->value)) return end_;
        if (Clock::now() < next_line_) continue;
        if (is_in_doubt_) {
          if (auto end = look()) return *std::move(end);
        } else if (!show_changes()) {
          return end_;
        }
        continue;
      }
      lost_since = std::min(lost_since, Clock::now());
      if (!show_changes()) return end_;  // what came before
      if (!options_.retry || Clock::now() - lost_since >= waiting_time(options_))
        return output_for(options_, got.error(), FailedWhen::kAsking, targets_);
      tell_trouble(output_for(options_, got.error(), FailedWhen::kAsking, targets_).err);
    }
  }

 private:
  [[nodiscard]] const std::string& server() const { return options_.words.at(0); }

  // At the beginning, and when it isn't known what is: after a lost connection, and an event that
  // may be of the past. What ends the program, if anything.
  std::optional<Output> look() {
    const bool was_in_doubt = std::exchange(is_in_doubt_, false);
    auto client = Client::connect(following_options(options_));
    if (!client) return fail(client.error(), FailedWhen::kConnecting);
    const auto ask = [&](const char* what) {
      const std::vector<std::string_view> words{"SYS", what, server()};
      const Repeat repeat = options_.retry ? Repeat::kSafe : Repeat::kNever;
      return client->run(Command::words(words, repeat).patience(waiting_time(options_)));
    };
    auto state = ask("GET_STATE");
    if (!state) return fail(state.error(), FailedWhen::kAsking);
    // Asked later: the state has no greater number than this.
    const auto status = ask("GET_STATUS");
    if (!status) return fail(status.error(), FailedWhen::kAsking);
    if (status->is_error()) return output_for(options_, *status, targets_);
    known_ = number_in(*status, "sequence");
    if (state->is_error()) {
      tell_trouble(render_error(state->text, targets_.err));
      if (was_in_doubt) ask_later();
      return std::nullopt;
    }
    trouble_.clear();
    pending_ = Pending{*std::move(state), known_, 1};
    return show_changes() ? std::nullopt : std::optional{end_};
  }

  // Ends the program at its beginning; later peeperd may come back, or it is the subscription that
  // ends it.
  std::optional<Output> fail(const Failure& failure, FailedWhen when) {
    Output output = output_for(options_, failure, when, targets_);
    if (!state_ || !options_.retry) return output;
    tell_trouble(output.err);
    ask_later();
    return std::nullopt;
  }

  void ask_later() {
    is_in_doubt_ = true;
    next_line_ = Clock::now() + kLook;
  }

  // One event. False: the reader of stdout is gone.
  bool take(const resp::Reply& event) {
    const resp::Reply* state = event.field("state");
    const resp::Reply* kind = event.field("event");
    if (state == nullptr || kind == nullptr) return true;
    const std::int64_t sequence = number_in(event, "sequence");
    const std::int64_t changes = std::max<std::int64_t>(number_in(event, "changes"), 1);
    if (state->is_error()) {
      tell_trouble(render_error(state->text, targets_.err));
    } else if (kind->text == "changed" || kind->text == "observed") {
      trouble_.clear();
      // Then it was seen before what is shown, or the server began anew with another segment.
      if (sequence < known_) {
        is_in_doubt_ = true;
      } else {
        known_ = sequence;
        is_in_doubt_ = false;
        pending_ = Pending{*state, sequence, changes + (pending_ ? pending_->changes : 0)};
      }
    }
    return kind->text != "terminated" || (show_changes() && show_end(event));
  }

  // So that a server that changes all the time can be read.
  [[nodiscard]] Milliseconds until_next_line() const {
    if (!pending_ && !is_in_doubt_) return kLook;
    return std::clamp(std::chrono::ceil<Milliseconds>(next_line_ - Clock::now()), Milliseconds{0},
                      kLook);
  }

  bool show_first(const resp::Reply& state, std::int64_t sequence) {
    if (options_.json)
      return print("{\"server\":" + json_string(server()) +
                   ",\"sequence\":" + std::to_string(sequence) +
                   ",\"state\":" + render_json(state) + "}\n");
    return print(head(sequence) + "\n" + render_value(state, targets_.out));
  }

  bool show_changes() {
    if (!pending_) return true;
    const Pending now = *std::exchange(pending_, std::nullopt);
    if (!state_) {
      state_ = now.state;
      return show_first(now.state, now.sequence);
    }
    const auto found = differences(*state_, now.state);
    const bool goes_on = found.empty() || show(found, now);
    if (!found.empty()) next_line_ = Clock::now() + options_.delay.value_or(kShortest);
    state_ = now.state;
    return goes_on;
  }

  struct Pending {
    resp::Reply state;
    std::int64_t sequence;
    std::int64_t changes;  // that led there
  };

  [[nodiscard]] bool show(const std::vector<Difference>& found, const Pending& now) {
    if (options_.json)
      return print(render_differences_json(server(), now.sequence, now.changes, found) + "\n");
    return print(head(now.sequence) +
                 (now.changes > 1 ? ", " + std::to_string(now.changes) + " changes\n" : "\n") +
                 render_differences(found, style_of(targets_)));
  }

  [[nodiscard]] bool show_end(const resp::Reply& event) {
    if (options_.json) return print(render_json(event) + "\n");
    std::string line = head(number_in(event, "sequence")) +
                       ", a worker ended: " + escape_control(text_in(event, "reason"));
    const DiffStyle style = style_of(targets_);
    if (style.columns != 0) line = cut(line, style.columns);
    if (style.colour) line.insert(0, kRed).append(kPlain);
    return print(line + "\n");
  }

  // False: the program ends.
  bool print(std::string_view text) {
    const int error = write_(text);
    if (error != 0) end_ = output_for_write(error);
    return error == 0;
  }
  [[nodiscard]] std::string head(std::int64_t sequence) const {
    return time_of_day_now(Digits::kMilliseconds) + " " + escape_control(server()) +
           ": sequence " + std::to_string(sequence);
  }

  // Once, until all is well again.
  void tell_trouble(const std::string& text) {
    if (std::exchange(trouble_, text) != text) write_all(STDERR_FILENO, text);
  }

  const Options& options_;
  const Targets targets_;
  const Write& write_;
  Output end_;
  std::optional<resp::Reply> state_;  // as shown
  // The last number that was told. What has a lesser one may be older than what is shown.
  std::int64_t known_ = 0;
  bool is_in_doubt_ = false;  // peeperd is to be asked
  std::optional<Pending> pending_;
  Clock::time_point next_line_{};
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

std::string render_differences_json(std::string_view server, std::int64_t sequence,
                                    std::int64_t times,
                                    const std::vector<Difference>& differences) {
  std::string out = "{\"server\":" + json_string(server) +
                    ",\"sequence\":" + std::to_string(sequence) +
                    ",\"times\":" + std::to_string(times) + ",\"changes\":[";
  for (const Difference& one : differences) {
    if (&one != &differences.front()) out += ',';
    out += "{\"path\":" + json_string(one.path);
    if (one.before != nullptr) out += ",\"before\":" + render_json(*one.before);
    if (one.after != nullptr) out += ",\"after\":" + render_json(*one.after);
    out += '}';
  }
  return out + "]}";
}

Output run_watch(const Options& options, Targets targets, const Write& write) {
  return Watch{options, targets, write}.run();
}

}  // namespace peeper::cli
