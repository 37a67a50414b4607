#include "worker/runtime/sandbox.hpp"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include "worker/runtime/landlock.hpp"

namespace peeper::worker {
namespace {

// They look into other processes, change what the machine is, or open parts of the kernel that a
// server doesn't need. A name that this machine's architecture doesn't have is passed over.
constexpr const char* kDangerous[] = {
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    // the file system, and names of all kinds
    "mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "pivot_root", "chroot", "unshare", "setns", "name_to_handle_at",
    "open_by_handle_at", "quotactl", "quotactl_fd", "swapon", "swapoff", "acct", "fanotify_init",
    "mknod", "mknodat",
    // the kernel
    "kexec_load", "kexec_file_load", "reboot", "init_module", "finit_module", "delete_module",
    "create_module", "bpf", "perf_event_open", "userfaultfd", "lookup_dcookie", "syslog",
    "nfsservctl", "vhangup", "uselib", "ustat", "personality", "modify_ldt", "iopl", "ioperm",
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    // keys
    "add_key", "request_key", "keyctl",
    // the machine's clock and name
    "settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex", "sethostname",
    "setdomainname"};

constexpr std::uint64_t kNewNamespaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS,
                                            CLONE_NEWIPC,  CLONE_NEWUSER,   CLONE_NEWPID,
                                            CLONE_NEWNET};

// The library's own macros for this are C.
constexpr scmp_arg_cmp argument(unsigned index, scmp_compare how, std::uint64_t first,
                                std::uint64_t second = 0) {
  return {.arg = index, .op = how, .datum_a = first, .datum_b = second};
}

class Filter {
 public:
  Filter() {
    keep(context_ != nullptr ? 0 : -ENOMEM);
    // Of other architectures' system calls on this machine nothing is known here.
    if (context_ != nullptr)
      keep(::seccomp_attr_set(context_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
  }
  ~Filter() { ::seccomp_release(context_); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  template <class... Comparison>
  void refuse(const char* name, int error, Comparison... comparison) {
    const int call = ::seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR || error_ != 0) return;
    const int added =
        ::seccomp_rule_add(context_, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call,
                           sizeof...(comparison), comparison...);
    if (added != -EDOM) keep(added);  // that is of another architecture
  }

  [[nodiscard]] Result<void> load() {
    if (error_ == 0) keep(::seccomp_load(context_));
    if (error_ != 0) return system_failure("sandbox: seccomp refuses", -error_);
    return {};
  }

 private:
  void keep(int result) {
    if (error_ == 0 && result < 0) error_ = result;
  }

  scmp_filter_ctx context_ = ::seccomp_init(SCMP_ACT_ALLOW);
  int error_ = 0;
};

// AF_UNIX reaches no further than this machine, and there a file's permissions say who may.
void refuse_network(Filter& filter) {
  filter.refuse("socket", EACCES, argument(0, SCMP_CMP_NE, AF_UNIX));
  filter.refuse("socketpair", EACCES, argument(0, SCMP_CMP_NE, AF_UNIX));
  // It makes sockets too, where no filter sees it.
  for (const char* name : {"io_uring_setup", "io_uring_enter", "io_uring_register"})
    filter.refuse(name, EACCES);
}

void refuse_dangerous_calls(Filter& filter, bool io_uring_is_refused) {
  for (const char* name : kDangerous) {
    const bool is_done =
        io_uring_is_refused && std::string_view(name).starts_with("io_uring");
    if (!is_done) filter.refuse(name, EPERM);
  }
  // Threads and children, but no name spaces. clone3's flags are where no filter sees them; the C
  // library then takes clone.
  for (const std::uint64_t flag : kNewNamespaces)
    filter.refuse("clone", EPERM, argument(0, SCMP_CMP_MASKED_EQ, flag, flag));
  filter.refuse("clone3", ENOSYS);
  // Puts words into the mouth of whoever types at the daemon's terminal.
  filter.refuse("ioctl", EPERM, argument(1, SCMP_CMP_EQ, TIOCSTI));
}

}  // namespace

Result<void> enter_sandbox(const Sandbox& sandbox, const std::string& segment) {
  if (sandbox.read_only) {
    std::vector<std::string> writable = sandbox.writable;
    writable.insert(writable.end(), {segment, "/dev/null"});
    if (const auto entered = allow_writes_only_to(writable); !entered) return entered;
  }
  if (!sandbox.no_network && !sandbox.no_dangerous_calls) return {};
  Filter filter;
  if (sandbox.no_network) refuse_network(filter);
  if (sandbox.no_dangerous_calls) refuse_dangerous_calls(filter, sandbox.no_network);
  return filter.load();
}

}  // namespace peeper::worker
