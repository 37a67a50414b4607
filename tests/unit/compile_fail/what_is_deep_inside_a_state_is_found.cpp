// member: notes
// says: Account
// says: use peeper::string for std::string
#include <peeper/server.hpp>

#include <peeper/ordered.hpp>
#include <peeper/sequences.hpp>

#include <string>

namespace {

struct Account {
  int balance;
  peeper::vector<std::optional<std::string>> notes;
};

struct Server {
  struct State {
    int fine;
    peeper::map<int, Account> accounts[2];
  };
  State init() { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
