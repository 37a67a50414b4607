// The model: sequences, texts and what is owned by pointers.
#include <deque>
#include <list>
#include <memory>
#include <string>

#include "heap_model.hpp"

using namespace peeper::test;

namespace {

const auto kSequence = [](auto& c, auto op, auto n) { change_sequence(c, op, n, kNumber); };

// An element that both sides own by a pointer.
template <class Pointer>
Pointer own(std::uint64_t number) {
  if constexpr (std::is_same_v<Pointer, std::unique_ptr<std::uint64_t>>)
    return std::make_unique<std::uint64_t>(number);
  else
    return peeper::make_unique<std::uint64_t>(number);
}

}  // namespace

TEST_CASE("model: vector") {
  against_model<peeper::vector<std::uint64_t>, std::vector<std::uint64_t>>(kSequence, kSame);
}

TEST_CASE("model: deque") {
  against_model<peeper::deque<std::uint64_t>, std::deque<std::uint64_t>>(kSequence, kSame);
}

TEST_CASE("model: list") {
  against_model<peeper::list<std::uint64_t>, std::list<std::uint64_t>>(kSequence, kSame);
}

TEST_CASE("model: small_vector, within itself and beyond") {
  against_model<peeper::small_vector<std::uint64_t, 16>, std::vector<std::uint64_t>>(
      [](auto& c, auto op, auto n) {
        if (c.size() > 40) {
          c.resize(5);
          c.shrink_to_fit();
        }
        change_sequence(c, op, n, kNumber);
      },
      kSame);
}

TEST_CASE("model: static_vector") {
  against_model<peeper::static_vector<std::uint64_t, 64>, std::vector<std::uint64_t>>(
      [](auto& c, auto op, auto n) {
        if (c.size() == 64) c.resize(20);
        change_sequence(c, op, n, kNumber);
      },
      kSame, Allocates::kNo);
}

TEST_CASE("model: vector of strings") {
  against_model<peeper::vector<peeper::string>, std::vector<std::string>>(
      [](auto& c, auto op, auto n) {
        using Text = typename std::remove_reference_t<decltype(c)>::value_type;
        change_sequence(c, op, n, [](std::uint64_t m) { return Text(text_of_number(m)); });
      },
      kSameTexts);
}

TEST_CASE("model: vector of unique_ptr") {
  against_model<peeper::vector<peeper::unique_ptr<std::uint64_t>>,
                std::vector<std::unique_ptr<std::uint64_t>>>(
      [](auto& c, auto op, auto n) {
        using Pointer = typename std::remove_reference_t<decltype(c)>::value_type;
        if (op % 5 == 0 && !c.empty())
          *c[static_cast<std::size_t>(n % c.size())] = n;  // not the pointer: what it owns
        else
          change_sequence(c, op, n, own<Pointer>);
      },
      [](const auto& a, const auto& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](const auto& x, const auto& y) { return *x == *y; });
      });
}

TEST_CASE("model: string") {
  against_model<peeper::string, std::string>(
      [](auto& c, auto op, auto n) {
        const auto letter = static_cast<char>('a' + n % 26);
        switch (op % 7) {
          case 0: c += 'x'; break;
          case 1: c.append(static_cast<std::size_t>(n % 100), letter); break;
          case 2: c.insert(static_cast<std::size_t>(n % (c.size() + 1)), 3, letter); break;
          case 3:
            if (!c.empty()) c.erase(static_cast<std::size_t>(n % c.size()), 3);
            break;
          case 4:
            if (!c.empty()) c[static_cast<std::size_t>(n % c.size())] = letter;
            break;
          case 5:
            if (n % 20 != 0) break;
            c.clear();
            c.shrink_to_fit();
            break;
          case 6: move_and_swap(c); break;
        }
      },
      kSame);
}
