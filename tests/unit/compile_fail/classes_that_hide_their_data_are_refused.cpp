// member: animal
// says: use std::variant for virtual functions
// member: derived
// says: use a member for a base class
// member: either
// says: use std::variant for a union
// member: closed
// says: specialise peeper::lives_in_heap<T> = true
// member: closure
// says: for a function, std::function or lambda
#include <peeper/server.hpp>

namespace {

struct Animal {
  virtual ~Animal() = default;
};
struct Base {
  int x;
};
struct Derived : Base {
  int y;
};
class Closed {
 public:
  Closed() = default;

 private:
  [[maybe_unused]] int hidden_ = 0;
};
inline const auto closure_of = [number = 1] { return number; };

struct Server {
  struct State {
    Animal animal;
    Derived derived;
    union {
      int a;
      float b;
    } either;
    Closed closed;
    decltype(closure_of) closure = closure_of;
  };
  static State init();
};

}  // namespace

PEEPER_SERVER(Server)
