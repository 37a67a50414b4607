// The tokens of safe retries: how many are kept, in how much memory, and what gives way.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sdk_test_heap.hpp"
#include "worker/runtime/tokens.hpp"

using namespace peeper;
using namespace peeper::test;
using worker::Tokens;

namespace {

constexpr std::uint64_t kPlenty = 1 << 30;

std::string token(int number) { return "token " + std::to_string(number); }
abi::From call(std::uint64_t request) { return {request, 0, 1, 0}; }

// What a retry would get; "new" if it would run.
std::string known(Tokens& tokens, std::string_view token) {
  const Tokens::Entry* entry = tokens.find(token);
  if (entry == nullptr) return "new";
  switch (entry->is) {
    case Tokens::Reply::kOpen: return "open";
    case Tokens::Reply::kTooLarge: return "too large";
    case Tokens::Reply::kKept: break;
  }
  return std::string(std::string_view{entry->reply});
}

// As much of the heap as there is, in pieces of so many bytes.
class Hog {
 public:
  explicit Hog(std::initializer_list<std::size_t> sizes) {
    for (const std::size_t bytes : sizes) {
      try {
        while (true) taken_.push_back(detail::allocate(bytes, 8));
      } catch (const std::bad_alloc&) {
      }
    }
  }
  Hog(const Hog&) = delete;
  Hog& operator=(const Hog&) = delete;
  ~Hog() {
    for (void* memory : taken_) detail::deallocate(memory);
  }

 private:
  std::vector<void*> taken_;
};

}  // namespace

TEST_CASE("tokens: their memory stays within its bounds, whatever the size of their replies") {
  constexpr std::uint64_t kBytes = 128 * 1024;
  for (const std::size_t reply_bytes : {0, 5, 100, 3000, 50'000}) {
    for (const std::size_t token_bytes : {8, 128}) {
      CAPTURE(reply_bytes);
      CAPTURE(token_bytes);
      TestHeap heap;
      Tokens& tokens = *heap.construct<Tokens>();
      const std::size_t before = heap.free_bytes();
      const std::string reply(reply_bytes, 'r');
      std::size_t most = 0;
      const auto name = [&](int i) {
        std::string text = token(i);
        return text + std::string(token_bytes - text.size() % token_bytes, 't');
      };
      for (int i = 1; i <= 5000; ++i) {
        tokens.remember(name(i), reply, {1'000'000, kBytes});
        CHECK(tokens.bytes() <= kBytes);
        most = std::max(most, before - heap.free_bytes());
      }
      CHECK(most <= kBytes * 5 / 4);
      CHECK(most >= kBytes / 2);
      CHECK(known(tokens, name(5000)) == reply);
      CHECK(known(tokens, name(1)) == "new");
      // Counted right: without any, nothing is left.
      tokens.remember("x", "", {0, kBytes});
      CHECK(tokens.size() == 0);
      CHECK(tokens.bytes() == 0);
    }
  }
}

TEST_CASE("tokens: of more than their window the oldest go, open ones too") {
  TestHeap heap;
  Tokens& tokens = *heap.construct<Tokens>();
  const Tokens::Bounds bounds{3, kPlenty};
  tokens.remember_open(token(1), call(1), bounds);
  for (int i = 2; i <= 4; ++i) tokens.remember(token(i), std::to_string(i), bounds);
  CHECK(tokens.size() == 3);
  CHECK(known(tokens, token(1)) == "new");
  CHECK(known(tokens, token(2)) == "2");
  // Its answer comes all the same, only nobody has to remember it.
  CHECK_FALSE(tokens.answer(call(1), "late", bounds).has_value());
}

TEST_CASE("tokens: an open call's late reply makes room for itself, or leaves its token") {
  TestHeap heap;
  Tokens& tokens = *heap.construct<Tokens>();
  const Tokens::Bounds bounds{1000, 16 * 1024};
  const std::string reply(2000, 'r');
  for (int i = 1; i <= 4; ++i) tokens.remember(token(i), reply, bounds);
  tokens.remember_open("open", call(7), bounds);
  tokens.find("open")->asked_last = call(9);
  for (int i = 5; i <= 6; ++i) tokens.remember(token(i), reply, bounds);
  const auto last = tokens.answer(call(7), reply, bounds);
  REQUIRE(last.has_value());
  CHECK(last->request == 9);
  CHECK(known(tokens, "open") == reply);
  CHECK_FALSE(tokens.answer(call(7), "again", bounds).has_value());
  CHECK(known(tokens, "open") == reply);
  // The oldest itself has no claim on the room of newer ones.
  tokens.remember_open("second", call(8), bounds);
  for (int i = 7; known(tokens, token(6)) != "new"; ++i) tokens.remember(token(i), reply, bounds);
  REQUIRE(known(tokens, "second") == "open");
  CHECK(tokens.answer(call(8), std::string(15'000, 'r'), bounds).has_value());
  CHECK(known(tokens, "second") == "too large");
  CHECK(tokens.bytes() <= bounds.bytes);
}

TEST_CASE("tokens: a reply larger than all of them may take costs no other token its own") {
  TestHeap heap;
  Tokens& tokens = *heap.construct<Tokens>();
  const Tokens::Bounds bounds{1000, 16 * 1024};
  tokens.remember("small", "1", bounds);
  tokens.remember("large", std::string(20'000, 'r'), bounds);
  CHECK(known(tokens, "large") == "too large");
  CHECK(tokens.find("large")->reply_bytes == 20'000);
  CHECK(known(tokens, "small") == "1");
}

TEST_CASE("tokens: in a full heap the oldest make room for a new one, and nothing is thrown") {
  TestHeap heap{256 * 1024};
  Tokens& tokens = *heap.construct<Tokens>();
  const Tokens::Bounds bounds{1000, kPlenty};
  const std::string reply(500, 'r');
  for (int i = 1; i <= 50; ++i) tokens.remember(token(i), reply, bounds);
  const Hog hog{4096, 256, 16};
  for (int i = 51; i <= 1000; ++i) {
    tokens.remember(token(i), reply, bounds);
    CHECK(known(tokens, token(i)) == reply);
    tokens.remember_open("open" + std::to_string(i), call(static_cast<std::uint64_t>(i)), bounds);
    CHECK(known(tokens, "open" + std::to_string(i)) == "open");
  }
  CHECK(tokens.size() > 10);
  CHECK(known(tokens, token(51)) == "new");
}

TEST_CASE("tokens: where there is no room at all they are not remembered, and nothing is thrown") {
  TestHeap heap{256 * 1024};
  Tokens& tokens = *heap.construct<Tokens>();
  const Tokens::Bounds bounds{1000, kPlenty};
  {
    const Hog hog{4096, 256, 16};
    for (int i = 1; i <= 50; ++i) {
      tokens.remember(token(i), std::string(500, 'r'), bounds);
      tokens.remember_open("open" + std::to_string(i), call(static_cast<std::uint64_t>(i)), bounds);
    }
    CHECK(tokens.size() <= 1);
  }
  tokens.remember("later", "1", bounds);
  CHECK(known(tokens, "later") == "1");
}
