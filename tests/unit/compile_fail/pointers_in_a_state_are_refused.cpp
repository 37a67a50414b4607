// member: link
// says: use peeper::unique_ptr<T> (owner), peeper::ptr<T>, or an index, for T*
// member: name
// says: use peeper::string for char*
// member: hook
// member: action
// says: for a function, std::function or lambda
// member: field
// says: for a pointer to member
#include <peeper/server.hpp>

#include <functional>

namespace {

struct Server {
  struct State {
    int* link;
    const char* name;
    void (*hook)();
    std::function<void()> action;
    int State::*field;
  };
  State init() { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
