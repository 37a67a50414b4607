// What lies in /dev/shm under one instance's names, seen from outside: nothing is mapped, and what
// is written there only says what a file is, never what is done with it but to leave it alone.
//
// Thread: any. Blocks only as system calls on /dev/shm do.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "common/segment/segment_id.hpp"

namespace peeper::segment {

enum class FileKind {
  kSegment,       // complete, and of the server that its name says
  kOtherVersion,  // of another layout: what is in it, only the peeper that made it knows
  kNoSegment,     // anything else; also a segment that was never finished
};

struct SegmentFile {
  SegmentId id;
  FileKind kind = FileKind::kNoSegment;
  uid_t owner = 0;
  bool is_held = false;          // a keeper or a worker lives that may write it
  std::uint64_t bytes = 0;       // what it may grow to
  std::uint64_t used_bytes = 0;  // of /dev/shm
  std::chrono::seconds age{0};   // since it was made; for people
};

// By name. At most kMostSegmentFiles, the first of them.
inline constexpr std::size_t kMostSegmentFiles = 4'000;
[[nodiscard]] Result<std::vector<SegmentFile>> segment_files(const std::string& instance);

// What is in the file of that name, if `header` is its beginning. Pure.
[[nodiscard]] FileKind kind_of(std::string_view header, std::uint64_t file_bytes,
                               std::string_view server);
// The server in a file's name: "b.c" of "peeper.a.b.c" and instance a; empty if it is none of that
// instance. Pure.
[[nodiscard]] std::string_view server_in(std::string_view file_name, std::string_view instance);

// Removes a kSegment of this owner that nobody holds. While it is looked at and its name goes away
// both roles are claimed, so neither a keeper nor a worker can come to hold it in between; a keeper
// that has opened it and waits for the claim finds out that the name is gone, and makes a new one.
// EAGAIN: somebody holds it. EINVAL: it is not, or no more, what may be removed.
[[nodiscard]] Result<void> remove_unheld(const SegmentId& id, uid_t owner);

}  // namespace peeper::segment
