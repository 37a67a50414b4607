#include "daemon/config/log_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "daemon/config/values.hpp"

namespace peeper::config {
namespace {

// As this process's effective user. 0, or an errno.
int may(const std::filesystem::path& path, int access) {
  return ::faccessat(AT_FDCWD, path.c_str(), access, AT_EACCESS) == 0 ? 0 : errno;
}

std::string because(int error) { return ": " + std::system_category().message(error); }

}  // namespace

std::optional<Mistake> refuse_log_file(const DaemonSection& daemon) {
  if (daemon.log_to.kind != LogTo::Kind::kFile) return std::nullopt;
  const std::filesystem::path& file = daemon.log_to.file;
  const std::filesystem::path directory = file.parent_path();
  const auto refuse = [&](std::string text) {
    return Mistake{daemon.log_to_place.line, daemon.log_to_place.column,
                   "log_to: " + std::move(text)};
  };
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return refuse(in_quotes(file.string()) + " is a directory; name a file in it");
  const bool exists = may(file, F_OK) == 0;
  if (const int why = exists ? may(file, W_OK) : 0; why != 0)
    return refuse("cannot write to " + in_quotes(file.string()) + because(why) +
                  "; give it to peeperd's user, or name another file");
  // Also where it exists: a file that is rotated gets another name.
  const bool makes_files = !exists || daemon.log_files != 0;
  if (const int why = makes_files ? may(directory, W_OK | X_OK) : 0; why != 0)
    return refuse("cannot make files in " + in_quotes(directory.string()) + because(why) +
                  "; make that directory for peeperd's user, or name another file" +
                  (exists ? ", or set log_files = 0" : ""));
  return std::nullopt;
}

}  // namespace peeper::config
