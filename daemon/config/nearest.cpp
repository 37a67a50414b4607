#include "daemon/config/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace peeper::config {
namespace {

// The distance costs the product of the lengths, and no key of ours comes near this one.
constexpr std::size_t kLongestGuessed = 64;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> known) {
  if (text.size() > kLongestGuessed) return {};
  std::string_view best;
  // A third of the word may be wrong; more than that is another word.
  std::size_t least = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string_view word : known) {
    const std::size_t distance = edit_distance(text, word);
    if (distance < least) {
      least = distance;
      best = word;
    }
  }
  return best;
}

}  // namespace peeper::config
