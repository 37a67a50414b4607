// The named shared-memory object of one server: creating, opening, checking, mapping, locking it.
//
// Owner: a process holds at most one Segment a server. Thread: any one. Blocks: only where said.
// Errors are sentences with the remedy. Destruction unmaps; nothing here ever removes a segment but
// remove_segment(). census.hpp is for those who only look at what there is.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/segment/crash_layout.hpp"
#include "common/segment/layout.hpp"
#include "common/segment/ring.hpp"
#include "common/segment/segment_id.hpp"

namespace peeper::segment {

// What a server's configuration asks of its segment.
struct Wanted {
  std::string behaviour;
  std::uint64_t state_bytes;    // limit of the heap
  std::uint64_t mailbox_bytes;  // rounded up to a power of two
};

// Who may write a segment. Held from the process's mapping until that is gone, at the latest with
// the process itself; by a dying worker until it can't write any more.
enum class Role { kKeeper, kWorker };

enum class View {
  kRings,  // up to the end of the dead letters: the daemon
  kWhole,  // keeper and worker
  kLook,   // all of it, to be read only: a write is a fault. For who shows a State (picture.hpp)
};

// What core dumps of a process show of its segment, beside header, control and crash record.
enum class CoreDump {
  kWithoutState,  // neither messages, nor those of crashes, nor heap, nor journal
  kWithState,     // all that has memory, if the process's coredump_filter admits shared files
};

class Segment {
 public:
  // The keeper's way in: opens the server's segment, or creates it, as its only keeper. A segment
  // that was never finished is made anew; one that is not what is wanted is refused, untouched.
  // Blocks up to `patience` while an earlier keeper is still dying.
  // A limit below the wanted one is no mismatch: see raise_limit().
  static Result<Segment> open_or_create(const SegmentId& id, const Wanted& wanted,
                                        std::chrono::milliseconds patience);
  static Result<Segment> open(const SegmentId& id, View view);

  // Claims the role for as long as this mapping lives. The kernel drops it with the process, so a
  // free role means that nobody with that role can write any more. Fails with EAGAIN when held.
  Result<void> claim(Role role);
  // The same, but by a mapping of its own, one page: release_claim() can give it back while this
  // process, which by then must not be able to write, still lives.
  Result<void> claim_releasably(Role role);
  void release(Role role) const;
  // Does another process hold it? True also when that can't be found out.
  [[nodiscard]] bool is_claimed(Role role) const;

  // Children of fork get neither the mapping nor the claim, core dumps no more than `dump` says.
  // Holds for every mapping from here on, raise_limit()'s too, and as the heap grows.
  Result<void> keep_to_this_process(CoreDump dump = CoreDump::kWithoutState);
  // Closes the descriptor; mapping and claims stay. reserve_heap() opens the object again.
  void close_descriptor() { object_ = {}; }

  // From here on a write to any of it by any thread of this process is a fault, or none is any more.
  // For the keeper, in between two recoveries.
  enum class Writing { kForbidden, kAllowed };
  [[nodiscard]] Result<void> set_writing(Writing writing) const;

  // --- For a worker that dies: in signal handlers too; nothing undoes them -----------------------
  // From here on a commit by any thread of this process is a fault. False if the kernel refuses.
  bool forbid_commits() const noexcept;
  // So is a write to anything but the crash record, unless some thread makes memory writable again.
  // What that costs follows what is writable, not what is mapped. False if the kernel refuses.
  bool forbid_writes() const noexcept;
  // After forbid_writes(), and after the last write to the crash record: from here on others may
  // write. No effect without claim_releasably().
  void release_claim() const noexcept;

  // --- Size --------------------------------------------------------------------------------------
  // Gives the first `bytes` of the heap, and what belongs to them in the journal, memory that can't
  // be missing later. On failure nothing has changed, nor is more of /dev/shm in use.
  Result<void> reserve_heap(std::uint64_t bytes);

  // Gives the heap a higher limit and maps it anew: pointers into this mapping are void after it.
  // For the keeper, after roll_back(), while there is no worker. Whoever dies in between leaves the
  // old limit or the new one; after a failure it is the old one, and no more of /dev/shm in use. No
  // effect if the limit is that high already.
  Result<void> raise_limit(std::uint64_t state_bytes);

  // The heap's first `bytes`, in a mapping of this process's own: what it writes there nobody else
  // sees, and takes memory; all other pages are the segment's, and change with it. Core dumps don't
  // have it. Not after close_descriptor().
  [[nodiscard]] Result<boost::interprocess::mapped_region> map_heap_privately(
      std::uint64_t bytes) const;

  [[nodiscard]] Header& header() const { return *at<Header>(kHeaderOffset); }
  // Does it still hold? The keeper may have given the heap a higher limit since.
  [[nodiscard]] bool has_this_plan() const;
  // The plan this mapping was made by: a copy that was checked.
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] Control& control() const { return *at<Control>(kControlOffset); }
  [[nodiscard]] CrashRecord& crash() const { return *at<CrashRecord>(kCrashOffset); }
  [[nodiscard]] GoneLetters& gone() const { return *at<GoneLetters>(kGoneOffset); }
  [[nodiscard]] std::span<CrashEntry> history() const {
    return {at<CrashEntry>(kHistoryOffset), kMostCrashes};
  }
  [[nodiscard]] const Ring& mailbox() const { return mailbox_; }
  [[nodiscard]] const Ring& replies() const { return replies_; }
  [[nodiscard]] const Ring& outbox() const { return outbox_; }
  [[nodiscard]] const Ring& letters() const { return letters_; }
  // Empty with View::kRings.
  [[nodiscard]] std::span<std::byte> heap() const { return heap_; }
  [[nodiscard]] std::span<std::uint32_t> journal_index() const { return journal_index_; }
  [[nodiscard]] std::span<Atomic64> page_writers() const { return page_writers_; }
  [[nodiscard]] std::span<Atomic64> block_writers() const { return block_writers_; }
  [[nodiscard]] std::byte* journal_pages() const { return journal_pages_; }
  [[nodiscard]] const SegmentId& id() const { return id_; }
  // Tells this object from another of the same name: someone may have removed it meanwhile.
  [[nodiscard]] std::uint64_t inode() const { return inode_; }

 private:
  Segment(SegmentId id, boost::interprocess::shared_memory_object object)
      : id_(std::move(id)), object_(std::move(object)) {}

  enum class IfMissing { kCreate, kFail };
  static Result<Segment> open_object(
      const SegmentId& id, IfMissing if_missing,
      boost::interprocess::mode_t mode = boost::interprocess::read_write);
  // Is what its name leads to still this object?
  [[nodiscard]] bool has_its_name() const;
  Result<void> initialise(const Wanted& wanted);
  Result<void> map(std::uint64_t bytes);
  Result<void> resize(std::uint64_t bytes) const;
  Result<void> attach(View view);
  [[nodiscard]] Result<void> keep_mapping_private() const;
  void dump_reserved(std::uint64_t from, std::uint64_t to) const;
  [[nodiscard]] std::optional<Failure> mismatch(const Wanted& wanted) const;
  [[nodiscard]] int descriptor() const { return object_.get_mapping_handle().handle; }

  template <class T>
  [[nodiscard]] T* at(std::uint64_t offset) const {
    return reinterpret_cast<T*>(static_cast<std::byte*>(region_.get_address()) + offset);
  }

  SegmentId id_;
  std::uint64_t inode_ = 0;
  boost::interprocess::mode_t mode_ = boost::interprocess::read_write;
  std::optional<CoreDump> kept_private_;  // none: not at all
  Plan plan_{};
  boost::interprocess::mapped_region claim_;  // outlives the mapping below
  boost::interprocess::shared_memory_object object_;
  boost::interprocess::mapped_region region_;
  Ring mailbox_;
  Ring replies_;
  Ring outbox_;
  Ring letters_;
  std::span<std::byte> heap_;
  std::span<std::uint32_t> journal_index_;
  std::span<Atomic64> page_writers_;
  std::span<Atomic64> block_writers_;
  std::byte* journal_pages_ = nullptr;
};

// The heap grows by an eighth, within these: what is not used yet is little beside what is, and
// large ones need few steps.
inline constexpr std::uint64_t kFirstHeapBytes = 256 * 1024;
inline constexpr std::uint64_t kMostHeapStep = 64 * 1024 * 1024;

// Reserved bytes after the next step from `reserved` that has room for `needed` bytes, at most
// `limit`; none if `needed` is beyond the limit.
[[nodiscard]] std::optional<std::uint64_t> next_heap_size(std::uint64_t reserved,
                                                          std::uint64_t needed,
                                                          std::uint64_t limit);

// Throws a server's state away. True if there was one.
bool remove_segment(const SegmentId& id);

}  // namespace peeper::segment
