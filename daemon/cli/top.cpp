#include "daemon/cli/top.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/client/client.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/terminal.hpp"
#include "daemon/cli/top_view.hpp"

namespace peeper::cli {
namespace {

using Clock = std::chrono::steady_clock;

// A key must not wait for a peeperd that is gone.
constexpr std::chrono::milliseconds kPatience{2'000};

class Source {
 public:
  explicit Source(const Options& options) : options_(client_options(options)) {
    options_.timeout = kPatience;
  }

  // What is shown, as it is now.
  void look(TopView& view) {
    if (!client_) {
      auto connected = Client::connect(options_);
      if (!connected) return view.set_trouble(connected.error().what);
      client_.emplace(*std::move(connected));
    }
    auto children = ask({"SUPERVISOR", "WHICH_CHILDREN"}, view);
    if (!children) return;
    view.set_servers(*std::move(children));
    view.set_trouble("");
    if (view.opened().empty()) return;
    auto status = ask({"SYS", "GET_STATUS", view.opened()}, view);
    if (status) view.set_status(*std::move(status));
  }

 private:
  std::optional<resp::Reply> ask(const std::vector<std::string_view>& words, TopView& view) {
    auto reply = client_->run(Command::words(words, Repeat::kNever).patience(kPatience));
    if (reply && !reply->is_error()) return *std::move(reply);
    if (!reply) client_.reset();
    view.set_trouble(reply ? reply->text : reply.error().what);
    return std::nullopt;
  }

  ClientOptions options_;
  std::optional<Client> client_;
};

std::string title_of(const Options& options) {
  return "peeper top  " + time_of_day_now(Digits::kSeconds) + "  " + options.socket;
}

}  // namespace

Output run_top(const Options& options, Targets) {
  auto terminal = Terminal::open();
  if (!terminal) return {"", "peeper: " + terminal.error().what + "\n", kUsage};
  TopView view;
  Source source{options};
  Clock::time_point next = Clock::now();
  while (true) {
    if (Clock::now() >= next) {
      source.look(view);
      next = Clock::now() + options.delay.value_or(std::chrono::seconds{1});
    }
    terminal->show(view.draw(terminal->screen(), title_of(options)));
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
    switch (terminal->wait(std::max(left, std::chrono::milliseconds{0}))) {
      case Terminal::Event::kResized:
      case Terminal::Event::kTime: break;
      case Terminal::Event::kSignal: return {};
      case Terminal::Event::kKeys: {
        const std::string opened = view.opened();
        for (std::string_view keys = terminal->keys(); !keys.empty();)
          if (!view.press(take_key(keys))) return {};
        if (view.opened() != opened) next = Clock::now();
      }
    }
  }
}

}  // namespace peeper::cli
