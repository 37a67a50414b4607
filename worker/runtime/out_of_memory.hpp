// What a message fails with that needs more memory for its state than there is.
#pragma once

#include <new>
#include <string>
#include <utility>

namespace peeper::worker {

// What a callback gets when the heap can't grow: it fails as any throwing callback does.
class OutOfStateMemory : public std::bad_alloc {
 public:
  explicit OutOfStateMemory(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

}  // namespace peeper::worker
