#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {

void add_system(CLI::App& app, Fields& fields) {
  CLI::App* replace = add_server_verb(
      app, fields, Verb::kReplaceState, "replace-state",
      "Replace a server's state by other values (replace_state)",
      "What the values mean is the behaviour's to say; one that has no replace_state\n"
      "denies it. It is a message like any other, but that a suspended server handles it\n"
      "too. What stands behind SERVER is sent as it is, also \"-5\" and \"--json\".\n"
      "Example: peeper replace-state counter 40\n"
      "         peeper suspend bank && peeper replace-state bank \"$SAVED\"");
  add_word(replace, "VALUE", fields.message, "the first, or only, value");
  replace->add_option("ARG", fields.shown_only, "more of them")->type_name("");
  add_server_verb(
      app, fields, Verb::kMessages, "messages",
      "List the messages that a server's behaviour speaks of",
      "KIND is how it is sent: by peeper call or cast, an info by peeper send. It may\n"
      "take others, all of them when it lists none. Also of a server that is down.\n"
      "Example: peeper messages counter");
}

}  // namespace peeper::cli
