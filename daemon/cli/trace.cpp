#include "daemon/cli/trace.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

#include "common/client/client.hpp"
#include "common/client/subscription.hpp"
#include "common/server_channels.hpp"
#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/local_time.hpp"
#include "daemon/cli/map_fields.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/shell_words.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

std::string text_of(const Reply& event, std::string_view key) {
  return escape_control(text_in(event, key));
}

std::string message_of(const Reply& event) {
  std::string line = text_of(event, "message");
  if (const Reply* arguments = event.field("arguments"))
    for (const Reply& argument : arguments->elements)
      line += " " + escape_control(quote_word(argument.text));
  if (const auto left_out = number_in(event, "arguments_left_out"); left_out != 0)
    line += " … (" + std::to_string(left_out) + " more)";
  return line;
}

std::string reply_of(const Reply& event) {
  const Reply* reply = event.field("reply");
  if (reply == nullptr) return "";
  if (reply->is_error()) return "(error) " + escape_control(reply->text);
  return reply->elements.empty() ? entry_text(*reply) : render_json(*reply);
}

// Is there such a server? Who subscribes isn't told.
std::optional<Output> look_for_server(const Options& options, Targets targets) {
  auto client = Client::connect(following_options(options));
  if (!client) return output_for(options, client.error(), FailedWhen::kConnecting, targets);
  const auto status = client->run(
      Command::words(std::vector<std::string_view>{"SYS", "GET_STATUS", options.words.at(0)},
                     options.retry ? Repeat::kSafe : Repeat::kNever)
          .patience(waiting_time(options)));
  if (!status) return output_for(options, status.error(), FailedWhen::kAsking, targets);
  if (status->is_error()) return output_for(options, *status, targets);
  return std::nullopt;
}

}  // namespace

std::string render_trace(const Reply& event) {
  const std::string time = time_of_day(text_of(event, "time"));
  std::string out;
  if (const auto dropped = number_in(event, "dropped"); dropped != 0)
    out += time + " " + std::to_string(dropped) +
           (dropped == 1 ? " event was not told\n" : " events were not told\n");
  out += time + " " + text_of(event, "event");
  const std::string who = text_of(event, "who");
  if (event.field("message") != nullptr) {
    out += " " + text_of(event, "kind");
    if (!who.empty()) out += " from " + who;
    out += ": " + message_of(event);
  } else if (event.field("reply") != nullptr) {
    if (!who.empty()) out += " to " + who;
    out += ": " + reply_of(event);
    if (event.field("us") != nullptr) {
      char time_taken[32];
      std::snprintf(time_taken, sizeof time_taken, " (%.3f ms)",
                    static_cast<double>(number_in(event, "us")) / 1e3);
      out += time_taken;
    }
  }
  return out + "\n";
}

Output follow_trace(const Options& options, Targets targets, const Write& write) {
  if (auto end = look_for_server(options, targets)) return *std::move(end);
  auto subscription =
      Subscription::open({trace_channel(options.words.at(0))}, following_options(options));
  if (!subscription)
    return output_for(options, subscription.error(), FailedWhen::kConnecting, targets);
  while (true) {
    auto got = subscription->next(waiting_time(options));
    if (!got) {
      if (got.error().system_error == ETIMEDOUT) continue;  // nothing has happened
      return output_for(options, got.error(), FailedWhen::kAsking, targets);
    }
    std::string text;
    if (got->missed) {
      constexpr std::string_view missed = "the connection was lost: events are missing\n";
      // Among the events, where they would be; JSON is for events alone.
      if (options.json)
        write_all(STDERR_FILENO, missed);
      else
        text = missed;
    }
    text += options.json ? render_json(got->value) + "\n" : render_trace(got->value);
    if (const int error = write(text); error != 0) return output_for_write(error);
  }
}

}  // namespace peeper::cli
