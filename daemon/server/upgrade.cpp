#include "daemon/server/upgrade.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "common/unique_fd.hpp"
#include "daemon/config/values.hpp"

namespace peeper::daemon {

Result<std::filesystem::path> find_new_code(const std::string& behaviour,
                                            const config::SearchPath& path) {
  const auto name = config::parse_behaviour(behaviour);
  if (!name) return Failure{"behaviour: " + name.error().what, 0};
  auto found = config::find_behaviour(*name, path);
  if (!found) return found;
  const UniqueFd file{::open(found->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) return system_failure("cannot read " + found->string(), errno);
  char magic[4] = {};
  const ssize_t got = ::read(file.get(), magic, sizeof magic);
  if (got < 0) return system_failure("cannot read " + found->string(), errno);
  if (std::string_view(magic, static_cast<std::size_t>(got)) != "\177ELF")
    return Failure{found->string() + " is no shared object", 0};
  return found;
}

}  // namespace peeper::daemon
