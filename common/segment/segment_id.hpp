// The name of a server's segment.
#pragma once

#include <string>

namespace peeper::segment {

struct SegmentId {
  std::string instance;
  std::string server;

  // "peeper.INSTANCE.SERVER": the object's name, and its file's in /dev/shm.
  [[nodiscard]] std::string name() const { return "peeper." + instance + "." + server; }
  [[nodiscard]] std::string path() const { return "/dev/shm/" + name(); }
};

}  // namespace peeper::segment
