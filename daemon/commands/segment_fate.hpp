// What a file in /dev/shm with a segment's name is to this daemon, and so whether it may go. Pure.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "common/segment/census.hpp"

namespace peeper::daemon {

enum class SegmentFate {
  kConfigured,    // there is, or is about to be, a server of that name
  kHeld,          // there isn't, but a process that may write it lives
  kStale,         // neither: the only one that is ever removed
  kOtherVersion,
  kNoSegment,
  kOtherUser,
};

// `me`: whose daemon it is. Another user's is left alone also by root: it may be of a server of
// that user's own peeperd.
[[nodiscard]] constexpr SegmentFate fate_of(const segment::SegmentFile& file, bool is_configured,
                                            uid_t me) {
  if (file.kind == segment::FileKind::kNoSegment) return SegmentFate::kNoSegment;
  if (is_configured) return SegmentFate::kConfigured;
  if (file.owner != me) return SegmentFate::kOtherUser;
  if (file.kind == segment::FileKind::kOtherVersion) return SegmentFate::kOtherVersion;
  return file.is_held ? SegmentFate::kHeld : SegmentFate::kStale;
}

[[nodiscard]] constexpr std::string_view to_word(SegmentFate fate) {
  switch (fate) {
    case SegmentFate::kConfigured: return "configured";
    case SegmentFate::kHeld: return "held";
    case SegmentFate::kStale: return "stale";
    case SegmentFate::kOtherVersion: return "other_version";
    case SegmentFate::kNoSegment: return "no_segment";
    case SegmentFate::kOtherUser: return "other_user";
  }
  return "?";
}

}  // namespace peeper::daemon
