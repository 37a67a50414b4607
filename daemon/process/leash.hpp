// What holds the processes of a server's workers when this process is killed and can do nothing any
// more: a pipe of which daemon and keeper have the writing end. When the last of them is gone, the
// kernel kills the process group of each reader (fcntl(2): F_SETOWN, F_SETSIG, O_ASYNC), and those
// are the workers, with all that they have started. Nothing is ever written.
//
// The keeper's end means that a worker which is allowed to finish something first is not cut short.
#pragma once

#include <fcntl.h>

#include "common/check.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

class Leash {
 public:
  Leash() {
    int ends[2];
    PEEPER_CHECK(::pipe2(ends, O_CLOEXEC) == 0, "no pipe for a server's leash");
    reading_.reset(ends[0]);
    writing_.reset(ends[1]);
  }
  [[nodiscard]] int reading_end() const { return reading_.get(); }
  [[nodiscard]] int writing_end() const { return writing_.get(); }

 private:
  UniqueFd reading_;
  UniqueFd writing_;
};

}  // namespace peeper::daemon
