#include "daemon/config/process_rights.hpp"

#include <grp.h>
#include <pwd.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "daemon/config/values.hpp"

namespace peeper::config {
namespace {

bool has_capability(int capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1U) != 0;
}

std::vector<std::uint32_t> groups_of(const passwd& entry) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(entry.pw_name, entry.pw_gid, groups.data(), &count) < 0)
    groups.resize(static_cast<std::size_t>(count));
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

std::optional<Account> find_account(const std::string& user) {
  uid_t number = 0;
  const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), number);
  const bool is_number = error == std::errc{} && end == user.data() + user.size();
  const passwd* entry = is_number ? ::getpwuid(number) : ::getpwnam(user.c_str());
  if (entry == nullptr) return std::nullopt;
  return Account{entry->pw_uid, entry->pw_gid, groups_of(*entry), entry->pw_name, entry->pw_dir};
}

// The first thing that stands against it.
void check(const ProcessSection& process, const Rights& rights, std::vector<Mistake>& mistakes) {
  const auto refuse = [&](Place place, std::string text) {
    mistakes.push_back({place.line, place.column, std::move(text)});
  };
  const bool as_root = process.account ? process.account->user == 0 : rights.is_root;
  if (!process.user.empty() && !rights.is_root)
    refuse(process.user_place, "user: only root may run workers as another user, and peeperd does "
                               "not run as root; leave it out");
  if (process.limits.processes && as_root)
    refuse(process.processes_place,
           "processes: the kernel counts processes for each user, and root may have any number; "
           "set 'user' to one that this server has for itself");
  if (process.limits.nofile && *process.limits.nofile > rights.most_files &&
      !rights.may_raise_limits)
    refuse(process.nofile_place, "nofile: peeperd itself may have no more than " +
                                     std::to_string(rights.most_files) +
                                     " open files (ulimit -Hn); raise that first");
  if (process.nice && *process.nice < 0 && !rights.may_raise_priority)
    refuse(process.nice_place,
           "nice: less than 0 takes the capability CAP_SYS_NICE, which peeperd doesn't have");
  if (process.sandbox.read_only && rights.landlock_version == 0)
    refuse(process.sandbox_place,
           "sandbox: a read-only file system takes Landlock, which this kernel doesn't have or has "
           "turned off; use Linux 5.13 or later, started with lsm=landlock,..., or set read_only = "
           "false");
}

}  // namespace

Rights rights_of_this_process() {
  Rights rights;
  rights.is_root = ::geteuid() == 0;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  rights.most_files = files.rlim_max;
  rights.may_raise_limits = has_capability(CAP_SYS_RESOURCE);
  rights.may_raise_priority = has_capability(CAP_SYS_NICE);
  constexpr unsigned kAskVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kAskVersion);
  rights.landlock_version = static_cast<int>(std::max(version, 0L));
  return rights;
}

std::vector<Mistake> beyond_rights(const std::vector<ServerSection>& servers,
                                   const Rights& rights) {
  std::vector<Mistake> mistakes;
  for (const ServerSection& server : servers) check(server.process, rights, mistakes);
  return mistakes;
}

std::vector<Mistake> find_accounts(std::vector<ServerSection>& servers) {
  std::vector<Mistake> mistakes;
  for (ServerSection& server : servers) {
    ProcessSection& process = server.process;
    if (process.user.empty()) continue;
    process.account = find_account(process.user);
    if (process.account) continue;
    mistakes.push_back({process.user_place.line, process.user_place.column,
                        "user: this machine has no user " + in_quotes(process.user)});
  }
  return mistakes;
}

std::vector<Mistake> settle_processes(std::vector<ServerSection>& servers) {
  std::vector<Mistake> mistakes = find_accounts(servers);
  const std::vector<Mistake> others = beyond_rights(servers, rights_of_this_process());
  mistakes.insert(mistakes.end(), others.begin(), others.end());
  return mistakes;
}

}  // namespace peeper::config
