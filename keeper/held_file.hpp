// Which file a descriptor stands for: to see whether foreign code in this process has closed it,
// or had another file opened in its place. Owns nothing.
#pragma once

#include <sys/stat.h>

namespace peeper::keeper {

class HeldFile {
 public:
  explicit HeldFile(int fd) : fd_(fd), is_open_(::fstat(fd, &file_) == 0) {}
  [[nodiscard]] int fd() const { return fd_; }
  // As it was at first, of which nothing open is a case, too.
  [[nodiscard]] bool is_held() const {
    struct stat now {};
    return !is_open_ || (::fstat(fd_, &now) == 0 && now.st_dev == file_.st_dev &&
                         now.st_ino == file_.st_ino);
  }

 private:
  int fd_;
  struct stat file_ {};
  bool is_open_;
};

}  // namespace peeper::keeper
