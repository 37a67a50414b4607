// A listener that writes what becomes of a server's state into a file, a line of JSON each.
//
//   listener = ["journal"]       $PEEPER_JOURNAL, or SERVER.journal in peeperd's working directory
#include <cstdlib>
#include <fstream>
#include <peeper/listener.hpp>
#include <stdexcept>
#include <string>

namespace {

namespace json = boost::json;

class Journal : public peeper::Listener {
 public:
  void on_state_changed(const json::value& old_state, const json::value& state,
                        const peeper::Change& change) override {
    write(change.server, {{"sequence", change.sequence},
                          {"changes", change.changes},
                          {"old", old_state},
                          {"state", state}});
  }

  void on_terminate(std::string_view reason, const json::value& state,
                    const peeper::Termination& termination) override {
    write(termination.server,
          {{"sequence", termination.sequence}, {"reason", reason}, {"state", state}});
  }

 private:
  // Each line is in the file before the next change is told.
  void write(std::string_view server, const json::object& line) {
    if (!file_.is_open()) {
      const char* name = std::getenv("PEEPER_JOURNAL");
      file_.open(name != nullptr ? std::string(name) : std::string(server) + ".journal",
                 std::ios::app);
    }
    file_ << json::serialize(line) << std::endl;
    if (!file_) throw std::runtime_error("the journal can't be written");
  }

  std::ofstream file_;
};

}  // namespace

PEEPER_LISTENER(Journal)
