#include "daemon/process/worker_process.hpp"

#include <algorithm>
#include <string_view>

namespace peeper::daemon {
namespace {

void add_limits(const config::Limits& limits, LaunchSpec& spec) {
  const auto add = [&](const char* name, int resource, rlim_t soft, rlim_t hard) {
    spec.limits.push_back({name, resource, soft, hard});
  };
  // Not the address space: the segment is as large as it may ever become.
  if (limits.memory_bytes)
    add("limits.memory", RLIMIT_DATA, *limits.memory_bytes, *limits.memory_bytes);
  if (limits.processes)
    add("limits.processes", RLIMIT_NPROC, *limits.processes, *limits.processes);
  if (limits.nofile) add("limits.nofile", RLIMIT_NOFILE, *limits.nofile, *limits.nofile);
  if (limits.cpu) {
    // SIGXCPU, and a second later SIGKILL.
    const auto seconds = static_cast<rlim_t>(limits.cpu->count());
    add("limits.cpu", RLIMIT_CPU, seconds, seconds + 1);
  }
}

void add_environment(const config::ProcessSection& process, LaunchSpec& spec) {
  const auto is_given = [&](std::string_view name) {
    return std::ranges::any_of(process.environment,
                               [&](const auto& variable) { return variable.first == name; });
  };
  const auto add = [&](const std::string& name, const std::string& value) {
    spec.environment.push_back(name + "=" + value);
  };
  if (process.account) {
    if (!is_given("USER")) add("USER", process.account->name);
    if (!is_given("LOGNAME")) add("LOGNAME", process.account->name);
    if (!is_given("HOME")) add("HOME", process.account->home);
  }
  for (const auto& variable : process.environment) add(variable.first, variable.second);
}

void add_sandbox(const config::Sandbox& sandbox, LaunchSpec& spec) {
  spec.no_new_privileges = sandbox.no_new_privileges;
  if (!sandbox.network) spec.arguments.emplace_back("--no-network");
  if (sandbox.read_only) spec.arguments.emplace_back("--read-only");
  for (const std::string& path : sandbox.writable) spec.arguments.push_back("--writable=" + path);
  if (sandbox.seccomp) spec.arguments.emplace_back("--seccomp");
}

}  // namespace

void apply(const config::ProcessSection& process, int own_oom_score_adj, LaunchSpec& spec) {
  add_limits(process.limits, spec);
  spec.nice = process.nice;
  spec.oom_score_adj =
      process.oom_score_adj.value_or(std::max(own_oom_score_adj, kWorkerOomScoreAdj));
  spec.insists_on_oom_score_adj = process.oom_score_adj.has_value();
  if (process.account)
    spec.credentials = Credentials{
        process.account->user,
        process.account->group,
        {process.account->groups.begin(), process.account->groups.end()}};
  add_environment(process, spec);
  spec.working_directory = process.working_directory;
  add_sandbox(process.sandbox, spec);
}

void give_memory(std::uint64_t bytes, LaunchSpec& spec) {
  for (ResourceLimit& limit : spec.limits)
    if (limit.resource == RLIMIT_DATA) {
      limit.soft += bytes;
      limit.hard += bytes;
    }
}

}  // namespace peeper::daemon
