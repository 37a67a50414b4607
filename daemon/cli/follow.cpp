#include "daemon/cli/follow.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "common/client/client.hpp"
#include "common/client/subscription.hpp"
#include "common/limits.hpp"
#include "common/server_channels.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/render_log.hpp"

namespace peeper::cli {
namespace {

using Clock = std::chrono::steady_clock;

// So long at most a line that was written while the connection was lost may have to wait.
constexpr std::chrono::milliseconds kLook{1000};

class Follower {
 public:
  Follower(const Options& options, Targets targets, const Write& write)
      : options_(options), targets_(targets), write_(write) {}

  Output run() {
    const std::string server = options_.words.at(0) == "*" ? "" : options_.words.at(0);
    // First, so that between the two nothing is missed.
    auto subscription = Subscription::open({output_channel(server)}, following_options(options_));
    if (!subscription)
      return output_for(options_, subscription.error(), FailedWhen::kConnecting, targets_);
    if (!show_past(options_)) return end_;
    seen_.begin();
    std::size_t losses = 0;
    constexpr auto kNotLost = Clock::time_point::max();
    Clock::time_point lost_since = kNotLost;
    while (true) {
      auto got = subscription->next(kLook);
      if (subscription->losses() != losses) {
        losses = subscription->losses();
        if (!catch_up()) return end_;
      }
      if (got) {
        lost_since = kNotLost;
        if (!show(got->value)) return end_;
      } else if (got.error().system_error == ETIMEDOUT) {
        lost_since = kNotLost;  // nobody wrote anything
      } else {
        const Clock::time_point now = Clock::now();
        lost_since = std::min(lost_since, now);
        if (!options_.retry || now - lost_since >= waiting_time(options_))
          return output_for(options_, got.error(), FailedWhen::kAsking, targets_);
      }
    }
  }

 private:
  bool fail(Output output) {
    end_ = std::move(output);
    return false;
  }

  // What was written while the connection was lost, as far as peeperd has it.
  bool catch_up() {
    Options all = options_;
    all.words = {options_.words.at(0), std::to_string(limits::kMostOutputLines)};
    return show_past(all);
  }

  bool show_past(const Options& options) {
    auto client = Client::connect(following_options(options_));
    if (!client)
      return fail(output_for(options, client.error(), FailedWhen::kConnecting, targets_));
    const Result<resp::Reply> reply = client->run(wire_command(options));
    if (!reply) return fail(output_for(options, reply.error(), FailedWhen::kAsking, targets_));
    if (reply->is_error()) return fail(output_for(options, *reply, targets_));
    for (const resp::Reply& line : reply->elements)
      if (!show(line)) return false;
    return true;
  }

  bool show(const resp::Reply& line) {
    if (!seen_.add(line)) return true;
    const int error = write_(options_.json ? render_json(line) + "\n"
                                           : render_log_line(line, targets_.out));
    return error == 0 || fail(output_for_write(error));
  }

  const Options& options_;
  const Targets targets_;
  const Write& write_;
  SeenLines seen_;
  Output end_;
};

}  // namespace

Output follow_log(const Options& options, Targets targets, const Write& write) {
  return Follower(options, targets, write).run();
}

}  // namespace peeper::cli
