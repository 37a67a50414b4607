// The mark in the environment of each child of a peeperd, which all that it starts inherits: from
// what worker a process comes, and of which peeperd that is one. "PEEPER_CHILD_OF=FAMILY:PID:N":
// the daemon's family and pid, and the number of the child.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peeper::daemon {

[[nodiscard]] std::string child_mark(std::string_view family, int daemon, std::uint64_t number);

// The peeperds of this instance on this machine: containers have a /dev/shm of their own, and an
// instance of the same name in it is another one.
[[nodiscard]] std::string family_name(const std::string& instance);
// Is it the mark of a child of a peeperd of this family?
[[nodiscard]] bool is_of_family(std::string_view mark, std::string_view family);

// The mark in a process's environment, as /proc/PID/environ has it: "NAME=value", each with a zero
// behind it. Empty: none.
[[nodiscard]] std::string mark_in(std::string_view environment);

// How many bytes a process's environment has, as /proc/PID/stat tells: proc(5). nullopt: it has
// none for now, or that isn't told.
[[nodiscard]] std::optional<std::uint64_t> environment_size(std::string_view stat);

// Empty: it has none, has ended, or doesn't let itself be looked at. nullopt: not to be told now.
// While a process executes a program (execve(2)) its old environment is gone and the new one is not
// there yet; one that is read then has an end too soon, or nothing.
[[nodiscard]] std::optional<std::string> mark_of(int pid);

}  // namespace peeper::daemon
