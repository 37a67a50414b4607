#include "processes.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "require.hpp"

namespace peeper::bench {
namespace {

void add_descendants(int pid, std::vector<int>& pids) {
  pids.push_back(pid);
  const std::string name = std::to_string(pid);
  std::ifstream children{"/proc/" + name + "/task/" + name + "/children"};
  for (int child = 0; children >> child;) add_descendants(child, pids);
}

}  // namespace

std::map<std::string, double> memory_of(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/smaps_rollup"};
  std::map<std::string, double> memory;
  std::string line;
  std::getline(file, line);  // the addresses
  std::string name;
  for (double kilobytes = 0; file >> name >> kilobytes; std::getline(file, line))
    memory[name.substr(0, name.size() - 1)] = kilobytes * 1024;
  test::require(memory.contains("Pss_Shmem"), "no smaps_rollup of process " + std::to_string(pid));
  return memory;
}

Memory memory_of_instance(int daemon, const std::string& instance) {
  Memory memory;
  std::vector<int> pids;
  add_descendants(daemon, pids);
  for (const int pid : pids) {
    const auto one = memory_of(pid);
    memory.processes += one.at("Pss") - one.at("Pss_Shmem");
  }
  for (const auto& entry : std::filesystem::directory_iterator{"/dev/shm"}) {
    if (entry.path().filename().string().starts_with("peeper." + instance + "."))
      memory.segments += allocated(entry.path());
  }
  return memory;
}

double allocated(const std::string& path) {
  struct stat facts {};
  test::require(::stat(path.c_str(), &facts) == 0, "no segment " + path);
  return static_cast<double>(facts.st_blocks) * 512;
}

unsigned long raise_file_limit() {
  rlimit files{};
  test::require(::getrlimit(RLIMIT_NOFILE, &files) == 0, "no limit of open files");
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur;
}

}  // namespace peeper::bench
