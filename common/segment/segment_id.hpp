// The name of a server's segment.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace peeper::segment {

struct SegmentId {
  std::string instance;
  std::string server;
  // The user that the segment belongs to, where its worker runs as another one than daemon and
  // keeper; none: this process's own.
  std::optional<uid_t> owner{};

  // "peeper.INSTANCE.SERVER": the object's name, and its file's in /dev/shm.
  [[nodiscard]] std::string name() const { return "peeper." + instance + "." + server; }
  [[nodiscard]] std::string path() const { return "/dev/shm/" + name(); }
};

}  // namespace peeper::segment
