// member: text
// says: use peeper::string for std::string
// member: view
// says: use peeper::string for std::string_view
// member: rows
// says: use peeper::vector, peeper::deque or peeper::list for std::vector
// member: tree
// says: use peeper::map, peeper::set
// member: table
// says: use peeper::unordered_map
// member: owner
// says: use peeper::unique_ptr<T> for std::unique_ptr
// member: worker
// says: keep them as members of the behaviour
// member: foreign
// says: use the container's alias in peeper::
#include <peeper/server.hpp>

#include <boost/container/vector.hpp>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

struct Server {
  struct State {
    int fine;
    std::string text;
    std::string_view view;
    std::vector<int> rows[2];
    std::map<int, int> tree;
    std::unordered_map<int, int> table;
    std::unique_ptr<int> owner;
    std::thread worker;
    boost::container::vector<int> foreign;
  };
  State init() { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
