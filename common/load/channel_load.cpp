#include "common/load/channel_load.hpp"

#include <cerrno>
#include <deque>

#include "common/busy_poll.hpp"
#include "common/clock.hpp"

namespace peeper::load {
namespace {

constexpr std::uint64_t kProgressNs = 100'000'000;
// Looked for so long in vain, one sleeps until the next channel's oldest is answered.
constexpr std::uint64_t kLookNs = 50'000;

class ChannelLoad {
 public:
  ChannelLoad(std::vector<Channel>& channels, const Channel::Request& request, const Load& load)
      : channels_(channels), request_(request), load_(load), sent_(channels.size()) {
    tally_.of_lane.resize(channels.size());
  }

  Tally carry(const Progress& progress) {
    const std::uint64_t begin = now_ns();
    const std::uint64_t end = ns_from_now(static_cast<std::uint64_t>(load_.time.count()));
    std::uint64_t told = begin;
    std::uint64_t last = begin;
    for (std::size_t i = 0; i < channels_.size(); ++i) ask(i, begin);
    while (under_way_ != 0 && !tally_.failure) {
      bool is_any = false;
      for (std::size_t i = 0; i < channels_.size() && !tally_.failure; ++i)
        is_any = take(i, end, false) || is_any;
      const std::uint64_t now = now_ns();
      if (is_any) {
        last = now;
        if (progress && now - told > kProgressNs) progress(tally_.answers());
        if (now - told > kProgressNs) told = now;
      } else if (now - last > kLookNs) {
        wait(end);
        last = now_ns();
      } else {
        pause_looking();
      }
    }
    tally_.time = std::chrono::nanoseconds(now_ns() - begin);
    return std::move(tally_);
  }

 private:
  // Until its pipeline is full, or nothing is left to ask.
  void ask(std::size_t i, std::uint64_t now) {
    while (asked_ < load_.requests && sent_[i].size() < load_.pipeline) {
      if (const auto posted = channels_[i].post(request_); !posted) {
        tally_.failure = posted.error();
        return;
      }
      sent_[i].push_back(now);
      ++asked_;
      ++under_way_;
    }
  }

  // The answers there are, or at least one; then as many more are asked for.
  bool take(std::size_t i, std::uint64_t end, bool waits) {
    bool is_any = false;
    while (!sent_[i].empty()) {
      if (!waits) {
        const auto here = channels_[i].is_next_here();
        if (!here) {
          tally_.failure = here.error();
          return is_any;
        }
        if (!*here) break;
      }
      waits = false;
      const auto reply = channels_[i].next();
      if (!reply) {
        tally_.failure = reply.error();
        return is_any;
      }
      const std::uint64_t now = now_ns();
      count(i, *reply, now);
      is_any = true;
      if (!tally_.failure && now < end) ask(i, now);
      if (tally_.failure) return is_any;
    }
    return is_any;
  }

  void count(std::size_t i, const resp::Reply& reply, std::uint64_t now) {
    --under_way_;
    tally_.latencies.add(now - sent_[i].front());
    sent_[i].pop_front();
    ++tally_.of_lane[i];
    if (!reply.is_error()) return;
    if (tally_.errors++ == 0) tally_.first_error = reply.text;
    if (reply.text.starts_with("TIMEOUT ")) tally_.failure = Failure{reply.text, ETIMEDOUT};
  }

  void wait(std::uint64_t end) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      if (sent_[i].empty()) continue;
      take(i, end, true);
      return;
    }
  }

  std::vector<Channel>& channels_;
  const Channel::Request& request_;
  const Load& load_;
  std::vector<std::deque<std::uint64_t>> sent_;  // when, of each without an answer
  std::uint64_t asked_ = 0;
  std::uint64_t under_way_ = 0;
  Tally tally_;
};

}  // namespace

Tally carry(std::vector<Channel>& channels, const Channel::Request& request, const Load& load,
            const Progress& progress) {
  return ChannelLoad{channels, request, load}.carry(progress);
}

}  // namespace peeper::load
