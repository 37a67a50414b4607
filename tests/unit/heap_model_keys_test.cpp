// The model: what has keys.
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "heap_model.hpp"

using namespace peeper::test;

namespace {

using Number = std::uint64_t;

const auto kMap = [](auto& c, auto op, auto n) { change_map(c, op, n, kNumber, kNumber); };
const auto kSet = [](auto& c, auto op, auto n) {
  change_set(c, op, n, [](Number m) { return m % 200; });
};
// Of a multiset or multimap: keys that occur often.
const auto kFewKeys = [](auto& c, auto op, auto n) {
  change_set(c, op, n, [](Number m) { return m % 50; });
};
const auto kFewPairs = [](auto& c, auto op, auto n) {
  using Pair = typename std::remove_reference_t<decltype(c)>::value_type;
  if (n % 5 == 0 && !c.empty())
    c.begin()->second = n;
  else
    change_set(c, op, n, [](Number m) { return Pair(m % 50, m); });
};

}  // namespace

TEST_CASE("model: map") {
  against_model<peeper::map<Number, Number>, std::map<Number, Number>>(kMap, kSamePairs);
}

TEST_CASE("model: multimap") {
  against_model<peeper::multimap<Number, Number>, std::multimap<Number, Number>>(kFewPairs,
                                                                                 kSamePairs);
}

TEST_CASE("model: flat_map") {
  against_model<peeper::flat_map<Number, Number>, std::map<Number, Number>>(kMap, kSamePairs);
}

TEST_CASE("model: set") {
  against_model<peeper::set<Number>, std::set<Number>>(kSet, kSame);
}

TEST_CASE("model: multiset") {
  against_model<peeper::multiset<Number>, std::multiset<Number>>(kFewKeys, kSame);
}

TEST_CASE("model: flat_set") {
  against_model<peeper::flat_set<Number>, std::set<Number>>(kSet, kSame);
}

TEST_CASE("model: unordered_set, with rehashing") {
  against_model<peeper::unordered_set<Number>, std::unordered_set<Number>>(
      [](auto& c, auto op, auto n) {
        if (n % 97 == 0)
          c.rehash(n % 5000);
        else
          kSet(c, op, n);
      },
      [](const auto& a, const auto& b) {
        return a.size() == b.size() &&
               std::all_of(b.begin(), b.end(), [&](Number n) { return a.find(n) != a.end(); });
      });
}

TEST_CASE("model: unordered_map of strings, with rehashing") {
  against_model<peeper::unordered_map<Number, peeper::string>,
                std::unordered_map<Number, std::string>>(
      [](auto& c, auto op, auto n) {
        using Text = typename std::remove_reference_t<decltype(c)>::mapped_type;
        // Which element is the first is each table's own affair.
        const auto same_everywhere = op % 7 == 4 ? op + 1 : op;
        if (n % 97 == 0)
          c.rehash(n % 5000);
        else
          change_map(c, same_everywhere, n, kNumber,
                     [](std::uint64_t m) { return Text(text_of_number(m)); });
      },
      [](const auto& a, const auto& b) {
        if (a.size() != b.size()) return false;
        return std::all_of(b.begin(), b.end(), [&](const auto& entry) {
          const auto found = a.find(entry.first);
          return found != a.end() &&
                 std::string_view(found->second.data(), found->second.size()) == entry.second;
        });
      });
}
