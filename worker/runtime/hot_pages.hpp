// Which heap pages are hot: stay writable and are copied into the journal before each message,
// where the others stay read-only and cost a fault at their first write in a message.
//
// Pure policy; the time is a count of messages. A page is worth its copies if it is written at least
// once in `break_even` messages, what a fault costs divided by what a copy costs. Nobody tells when
// a writable page is written, so a page proves itself by faulting: twice within break_even messages
// makes it hot, for a while. Then it is protected again, and if it still is what it was it soon
// faults and is hot for twice as long. So a page that is written all the time costs one fault in
// ever more messages, one that no longer is costs its copies for a bounded while, and one that is
// written now and then only ever its faults. (Ski rental with history.)
//
// Bounded: at most kMostHot pages, so that the copies stay in the processor's cache.
// Owner: PageGuard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace peeper::worker {

inline constexpr std::size_t kMostHot = 256;
inline constexpr std::uint32_t kMostPatience = 5;  // doublings of the time a page stays hot

// What is remembered of each page of the heap, all zero at first.
struct PageHistory {
  std::uint32_t last_fault;  // message of the last fault, or of the end of being hot; 0: none
  std::uint32_t patience;    // how often in a row it proved hot again
};

class HotPages {
 public:
  explicit HotPages(std::uint32_t break_even) : break_even_(std::max(break_even, 1U)) {
    hot_.reserve(kMostHot);
  }

  struct Hot {
    std::uint32_t page;
    std::uint64_t until;  // message
  };

  // `page` was written in message `now`, by a fault. True: it is hot from now on.
  bool on_fault(std::uint32_t page, PageHistory& history, std::uint64_t now) {
    const auto recent = static_cast<std::uint32_t>(now) - history.last_fault;
    const bool again = history.last_fault != 0 && recent <= break_even_;
    history.last_fault = std::max(static_cast<std::uint32_t>(now), 1U);
    if (!again) {
      history.patience = 0;
      return false;
    }
    if (hot_.size() == kMostHot) return false;
    history.patience = std::min(history.patience + 1, kMostPatience);
    const std::uint64_t until = now + (std::uint64_t{break_even_} << history.patience);
    const auto place = std::lower_bound(hot_.begin(), hot_.end(), page,
                                        [](const Hot& h, std::uint32_t p) { return h.page < p; });
    hot_.insert(place, Hot{page, until});
    next_end_ = std::min(next_end_, until);
    return true;
  }

  // Calls `cool(page)` for those whose time is over; `history_of(page)` is updated.
  template <class HistoryOf, class Cool>
  void end_message(std::uint64_t now, HistoryOf history_of, Cool cool) {
    if (now < next_end_) return;
    next_end_ = UINT64_MAX;
    std::erase_if(hot_, [&](const Hot& h) {
      if (h.until > now) {
        next_end_ = std::min(next_end_, h.until);
        return false;
      }
      history_of(h.page).last_fault = std::max(static_cast<std::uint32_t>(now), 1U);
      cool(h.page);
      return true;
    });
  }

  // By page.
  [[nodiscard]] const std::vector<Hot>& pages() const { return hot_; }
  [[nodiscard]] std::uint32_t break_even() const { return break_even_; }

 private:
  std::uint32_t break_even_;
  std::vector<Hot> hot_;
  std::uint64_t next_end_ = UINT64_MAX;
};

}  // namespace peeper::worker
