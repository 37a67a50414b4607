#include "refusals.hpp"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <utility>

#include "common/pass_fd.hpp"
#include "require.hpp"

namespace peeper::test {
namespace {

UniqueFd take_descriptor(int door) {
  const UniqueFd peer{::accept4(door, nullptr, nullptr, SOCK_CLOEXEC)};
  char byte = 0;
  UniqueFd fd;
  return receive_with_fd(peer.get(), &byte, 1, fd) == 1 ? std::move(fd) : UniqueFd{};
}

}  // namespace

#ifdef SYS_vfork
const int Refusals::kFork = SYS_vfork;
#else
const int Refusals::kFork = SYS_clone;
#endif

Refusals::Refusals(Instance& peeperd)
    : door_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), end_(::eventfd(0, EFD_CLOEXEC)) {
  const auto programs = peeperd.directory() / "refused";
  std::filesystem::create_directory(programs);
  std::filesystem::copy_file(PEEPER_REFUSER, programs / "peeperd");
  std::filesystem::create_symlink(program("peeperd"), programs / "real");
  const std::string path = programs / "refusals.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  require(::bind(door_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
              ::listen(door_.get(), 1) == 0,
          "no socket " + path);
  peeperd.run_from(programs);
  thread_ = std::thread{[this] { serve(); }};
}

Refusals::~Refusals() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(end_.get(), &one, sizeof one);
  thread_.join();
}

void Refusals::refuse(int number, int error) {
  refused_ = 0;
  error_ = error;
  number_ = number;
}

void Refusals::serve() {
  UniqueFd listener;
  while (true) {
    pollfd wanted[] = {{end_.get(), POLLIN, 0},
                       {door_.get(), POLLIN, 0},
                       {listener.get(), POLLIN, 0}};
    ::poll(wanted, 3, -1);
    if (wanted[0].revents != 0) return;
    if (wanted[2].revents == POLLIN)
      answer(listener.get());
    else if (wanted[2].revents != 0)
      listener.reset();  // all that it was for have gone
    if (wanted[1].revents != 0) listener = take_descriptor(door_.get());
  }
}

void Refusals::answer(int listener) {
  seccomp_notif asked{};
  if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;  // killed meanwhile
  seccomp_notif_resp answer{};
  answer.id = asked.id;
  if (asked.data.nr == number_) {
    answer.error = -error_;
    ++refused_;
  } else {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  }
  ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

}  // namespace peeper::test
