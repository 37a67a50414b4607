// Which heap pages are hot: stay writable and are copied into the journal before each message,
// where the others stay read-only and cost a fault at their first write in a message.
//
// Pure policy; the time is a count of messages that may write. A page is worth its copies if it is
// written at least once in `break_even` messages, what a fault costs divided by what a copy costs.
//
// Becoming hot: each fault of a page earns it break_even, each message since costs it one copy, and
// it never owes anything. So its credit is what being hot, from the best moment in the past on,
// would have saved until now. It becomes hot once that is more than kProof faults. A page that is
// written all the time has that after kProof + 1 faults; one that is written less than once in
// break_even messages loses more than it earns, and by chance has it hardly ever.
//
// Cooling: nobody tells when a writable page is written, so from time to time one hot page is
// looked at: has it changed since the last look? One that has not for break_even messages is
// protected again. It keeps its credit, so that one fault soon after makes it hot again, unless it
// had not changed even once: then it has to prove itself anew.
//
// What it costs at most (ski rental, in both directions): until a page is hot, kProof + 1 faults;
// until it has cooled, the copies of break_even messages and of one round of looks, some two
// faults. So an adversary that writes just until the page is hot, and again once it has cooled,
// makes it pay kProof + 3 times what it had to; usual mixes pay less than twice that. A page that
// gets the value it has looks unchanged: one fault in break_even messages beside its copies.
//
// Bounded: at most kMostHot pages; one look a message.
// Owner: PageGuard.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace peeper::worker {

inline constexpr std::size_t kMostHot = 256;
// As break_even: no page is ever hot.
inline constexpr std::uint32_t kNeverHot = 0;
// Faults that being hot must have saved. More of them mislead less often and learn more slowly.
inline constexpr std::uint32_t kProof = 3;
// Each hot page is looked at so often in break_even messages, if one look a message allows it.
inline constexpr std::uint32_t kLooks = 2;

// What is remembered of each page of the heap that isn't hot, all zero at first.
struct PageHistory {
  std::uint32_t at;      // message of the last fault, or of the end of being hot
  std::uint32_t credit;  // as of then, in copies
};

class HotPages {
 public:
  explicit HotPages(std::uint32_t break_even) : break_even_(std::min(break_even, kMostBreakEven)) {
    hot_.reserve(kMostHot);
  }

  struct Hot {
    std::uint32_t page;
    bool has_changed;          // in a look, since it became hot
    std::uint64_t changed_at;  // message of the last look that saw a change
    std::uint64_t print;       // of its contents at the last look
  };

  // `page` was written in message `now`, by a fault. True: it is hot from now on. `print_of(page)`:
  // a number that changes with the page's contents.
  template <class PrintOf>
  bool on_fault(std::uint32_t page, PageHistory& history, std::uint64_t now, PrintOf print_of) {
    const std::uint32_t since = static_cast<std::uint32_t>(now) - history.at;
    const std::uint32_t credit = history.credit - std::min(since, history.credit) + break_even_;
    history = {static_cast<std::uint32_t>(now), std::min(credit, (kProof + 1) * break_even_)};
    if (credit <= kProof * break_even_ || hot_.size() == kMostHot) return false;
    const auto place = std::lower_bound(hot_.begin(), hot_.end(), page,
                                        [](const Hot& h, std::uint32_t p) { return h.page < p; });
    // The next look is at the same page as before.
    if (static_cast<std::size_t>(place - hot_.begin()) <= next_) ++next_;
    hot_.insert(place, Hot{page, false, now, print_of(page)});
    return true;
  }

  // Looks at one hot page, if it is time to. Calls `cool(page)` if that no longer is one;
  // `history_of(page)` is updated then.
  template <class PrintOf, class HistoryOf, class Cool>
  void end_message(std::uint64_t now, PrintOf print_of, HistoryOf history_of, Cool cool) {
    if (hot_.empty() || now < next_look_) return;
    next_look_ = now + std::max<std::uint64_t>(break_even_ / (kLooks * hot_.size()), 1);
    if (next_ >= hot_.size()) next_ = 0;
    Hot& looked_at = hot_[next_];
    const std::uint64_t print = print_of(looked_at.page);
    if (print != looked_at.print) {
      looked_at = {looked_at.page, true, now, print};
    } else if (now - looked_at.changed_at >= break_even_) {
      history_of(looked_at.page) = {static_cast<std::uint32_t>(now),
                                    looked_at.has_changed ? kProof * break_even_ : 0};
      cool(looked_at.page);
      hot_.erase(hot_.begin() + static_cast<std::ptrdiff_t>(next_));
      return;  // the next one has moved here
    }
    ++next_;
  }

  // By page.
  [[nodiscard]] const std::vector<Hot>& pages() const { return hot_; }
  [[nodiscard]] std::uint32_t break_even() const { return break_even_; }

 private:
  static constexpr std::uint32_t kMostBreakEven = UINT32_MAX / (kProof + 2);

  std::uint32_t break_even_;
  std::vector<Hot> hot_;
  std::uint64_t next_look_ = 0;
  std::size_t next_ = 0;  // whose turn it is to be looked at
};

}  // namespace peeper::worker
