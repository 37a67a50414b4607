#include "daemon/cli/bench.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/load/channel_load.hpp"
#include "common/load/load.hpp"
#include "common/load/socket_lane.hpp"
#include "daemon/cli/render_bench.hpp"

namespace peeper::cli {
namespace {

using load::Lane;

// Beside its connections: the standard streams, epoll, and what may be inherited.
constexpr rlim_t kOtherFiles = 64;

void raise_file_limit(std::uint64_t clients) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= clients + kOtherFiles) return;
  files.rlim_cur = std::min<rlim_t>(clients + kOtherFiles, files.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &files);  // if not, connecting says so
}

std::shared_ptr<const load::Request> request_of(const Options& options) {
  const Command command = wire_command(options);
  std::string bytes;
  command.append_to(bytes, command.timeout().value_or(limits::kCallTimeout));
  return std::make_shared<const load::Request>(std::move(bytes));
}

Result<std::vector<std::unique_ptr<Lane>>> connect(const Options& options) {
  const std::shared_ptr<const load::Request> request = request_of(options);
  std::vector<std::unique_ptr<Lane>> lanes;
  for (std::uint64_t i = 0; i < options.bench.clients; ++i) {
    auto lane = load::SocketLane::connect(options.socket, request, waiting_time(options));
    if (!lane) return lane.error();
    lanes.push_back(*std::move(lane));
  }
  return lanes;
}

// In one line of the terminal, which is empty in the end.
class ProgressLine {
 public:
  explicit ProgressLine(std::uint64_t requests) : requests_(requests) {}
  void show(std::uint64_t answers) {
    shown_ = true;
    std::fprintf(stderr, "\r%llu of %llu (%llu %%)", static_cast<unsigned long long>(answers),
                 static_cast<unsigned long long>(requests_),
                 static_cast<unsigned long long>(100 * answers / requests_));
  }
  void clear() const {
    if (shown_) std::fputs("\r\033[K", stderr);
  }

 private:
  std::uint64_t requests_;
  bool shown_ = false;
};

Failure with_count(const Options& options, const load::Tally& tally) {
  Failure failure = *tally.failure;
  failure.what += "; " + std::to_string(tally.answers()) + " of " +
                  std::to_string(options.bench.requests) + " calls had been answered";
  if (tally.errors > 0)
    failure.what += ", " + std::to_string(tally.errors) + " with errors, the first: " +
                    tally.first_error;
  return failure;
}

Result<std::vector<Channel>> open_channels(const Options& options) {
  ChannelOptions wanted;
  wanted.socket = options.socket;
  wanted.timeout = options.call_timeout.value_or(limits::kCallTimeout);
  std::vector<Channel> channels;
  for (std::uint64_t i = 0; i < options.bench.clients; ++i) {
    auto channel = Channel::open(options.words[0], wanted);
    if (!channel) return channel.error();
    channels.push_back(*std::move(channel));
  }
  return channels;
}

Result<load::Tally> measure(const Options& options, const load::Load& load,
                            const load::Progress& progress) {
  if (options.bench.channel) {
    auto channels = open_channels(options);
    if (!channels) return channels.error();
    const std::vector<std::string_view> words(options.words.begin() + 1, options.words.end());
    return load::carry(*channels,
                       {Channel::Kind::kCall, words[0], std::span(words).subspan(1)}, load,
                       progress);
  }
  raise_file_limit(options.bench.clients);
  auto lanes = connect(options);
  if (!lanes) return lanes.error();
  auto crowd = load::Crowd::gather(*std::move(lanes));
  if (!crowd) return crowd.error();
  return load::carry(*crowd, load, progress);
}

}  // namespace

Output run_bench(const Options& options, Targets targets) {
  ProgressLine line(options.bench.requests);
  load::Progress progress;
  if (targets.err == Target::kTerminal)
    progress = [&line](std::uint64_t answers) { line.show(answers); };
  const auto measured = measure(options,
                                {.pipeline = options.bench.pipeline,
                                 .requests = options.bench.requests,
                                 .patience = waiting_time(options)},
                                progress);
  line.clear();
  if (!measured) {
    const Failure& failure = measured.error();
    // CHANNEL's own answer, where there is no such server or it has no more of them.
    if (failure.system_error == EREMOTEIO)
      return output_for(options, resp::error_reply(failure.what), targets);
    return output_for(options, failure, FailedWhen::kConnecting, targets);
  }
  const load::Tally& tally = *measured;
  if (tally.failure)
    return output_for(options, with_count(options, tally), FailedWhen::kAsking, targets);
  const std::string out = options.json ? render_bench_json(options, tally) + "\n"
                                       : render_bench(options, tally, targets.out);
  return {out, "", tally.errors > 0 ? kServerError : kDone};
}

}  // namespace peeper::cli
