#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {

void add_crashes(CLI::App& app, Fields& fields) {
  CLI::App* crashes =
      add_verb(app, fields, Verb::kCrashes, "crashes",
               "List the last crashes, or show one with its backtrace",
               "PLACE is how often the same place has crashed. Names and lines of the backtrace\n"
               "come from addr2line, which is in the package binutils.\n"
               "Example: peeper crashes\n"
               "         peeper crashes counter show 3");
  crashes->add_option("SERVER", fields.server, "only of this server")->type_name("");
  CLI::IsMember show({"show"});
  show.description("");
  crashes->add_option("show", fields.action, "one crash, with all there is")
      ->check(show)
      ->type_name("");
  crashes->add_option("N", fields.number, "its number")->type_name("");
  crashes->parse_complete_callback([&fields] {
    if (!fields.action.empty() && fields.number.empty())
      throw CLI::ValidationError("crashes SERVER show", "needs the crash's number N");
  });
  CLI::App* letters =
      add_verb(app, fields, Verb::kDeadLetters, "deadletters",
               "List, show, retry or drop the messages whose worker died of them",
               "retry puts the message into the mailbox again; nobody gets its reply.\n"
               "Example: peeper deadletters list counter\n"
               "         peeper deadletters retry counter 2\n"
               "         peeper deadletters drop counter all");
  CLI::IsMember actions({"list", "show", "retry", "drop"});
  actions.description("");
  letters->add_option("list|show|retry|drop", fields.action, "what to do")
      ->required()
      ->check(actions)
      ->type_name("");
  add_word(letters, "SERVER", fields.server, "the server's name");
  letters->add_option("N", fields.number, "the letter's number; to drop, also \"all\"")
      ->type_name("");
  letters->parse_complete_callback([&fields] {
    if ((fields.action == "list") != fields.number.empty())
      throw CLI::ValidationError("deadletters " + fields.action,
                                 fields.number.empty() ? "needs the letter's number N"
                                                       : "takes no number");
  });
}

}  // namespace peeper::cli
