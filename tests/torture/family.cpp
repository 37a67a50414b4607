#include "family.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "common/unique_fd.hpp"

namespace peeper::torture {

namespace fs = std::filesystem;

namespace {

// As much as there is: the process may end meanwhile.
std::string read_all(const std::string& path) {
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(got));
  return text;
}

// Nothing if it is gone.
std::optional<Relative> relative(int pid) {
  const std::string stat = read_all("/proc/" + std::to_string(pid) + "/stat");
  // "PID (NAME) STATE PARENT …"; the name may contain anything.
  const auto open = stat.find('(');
  const auto close = stat.rfind(')');
  if (open == stat.npos || close == stat.npos) return std::nullopt;
  Relative found;
  found.pid = pid;
  found.name = stat.substr(open + 1, close - open - 1);
  std::istringstream rest{stat.substr(close + 1)};
  if (!(rest >> found.state >> found.parent)) return std::nullopt;
  return found;
}

std::vector<int> all_pids() {
  std::vector<int> pids;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{"/proc", ignored}) {
    const std::string name = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) != 0)
      pids.push_back(std::atoi(name.c_str()));
  }
  return pids;
}

}  // namespace

std::vector<Relative> children_of(int pid) {
  std::vector<Relative> children;
  for (const int other : all_pids())
    if (auto found = relative(other); found && found->parent == pid)
      children.push_back(*std::move(found));
  return children;
}

std::vector<Relative> of_instance(std::string_view instance) {
  std::vector<Relative> all;
  const std::string name{instance};
  for (const int pid : all_pids()) {
    const std::string command =
        read_all("/proc/" + std::to_string(pid) + "/cmdline") + std::string(1, '\0');
    if (command.find("--instance=" + name + '\0') == command.npos &&
        command.find(std::string("--instance") + '\0' + name + '\0') == command.npos)
      continue;
    if (auto found = relative(pid)) all.push_back(*std::move(found));
  }
  return all;
}

Descriptors descriptors_of(int pid) {
  Descriptors all;
  std::error_code ignored;
  for (const auto& entry :
       fs::directory_iterator{"/proc/" + std::to_string(pid) + "/fd", ignored}) {
    std::string target = fs::read_symlink(entry.path(), ignored);
    if (target.empty()) continue;
    for (const std::string_view kind : {"socket:", "pipe:"})
      if (target.starts_with(kind)) target = kind.substr(0, kind.size() - 1);
    ++all[target];
  }
  return all;
}

std::string to_text(const Descriptors& descriptors) {
  std::string text;
  for (const auto& [kind, count] : descriptors)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + kind;
  return text;
}

std::vector<std::string> segments_of(std::string_view instance) {
  std::vector<std::string> found;
  const std::string prefix = "peeper." + std::string(instance);
  for (const auto& entry : fs::directory_iterator{"/dev/shm"}) {
    const std::string name = entry.path().filename();
    if (name == prefix || name.starts_with(prefix + ".")) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace peeper::torture
