#include "common/result.hpp"

#include <system_error>

namespace peeper {

Failure system_failure(std::string what, int error) {
  return {std::move(what) + ": " + std::system_category().message(error), error};
}

}  // namespace peeper
