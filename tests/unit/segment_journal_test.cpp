// The pre-images of a transaction's pages, beside what became of the pages.
#include <doctest/doctest.h>

#include <cstdint>
#include <optional>

#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

TEST_CASE("journal: a change is found wherever it is, at the hint first, else where saved last") {
  TestSegment made;
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  Journal& journal = transaction.journal();
  using Place = std::optional<std::uint64_t>;
  CHECK(journal.find_change(0) == Place{});
  journal.save(2, 1);
  journal.save(5, 1);
  journal.save(7, 1);
  const auto change = [&](std::uint64_t page, std::uint64_t at) {
    made.segment.heap()[page * kPageBytes + at] ^= std::byte{1};
  };
  for (const std::uint64_t hint : {std::uint64_t{0}, 3 * kPageBytes, ~std::uint64_t{63}})
    CHECK(journal.find_change(hint) == Place{});
  change(2, kPageBytes - 1);
  CHECK(journal.find_change(0) == Place{kPageBytes - 64});
  change(5, 100);
  CHECK(journal.find_change(0) == Place{kPageBytes + 64});
  CHECK(journal.find_change(kPageBytes - 64) == Place{kPageBytes - 64});
  // What is as it was before is no change.
  change(5, 100);
  change(2, kPageBytes - 1);
  CHECK(journal.find_change(kPageBytes - 64) == Place{});
  transaction.commit(transaction.mailbox_head());
  transaction.begin(Channel::kStart, 0, 1);
  change(7, 0);  // not saved
  CHECK(journal.find_change(0) == Place{});
}
