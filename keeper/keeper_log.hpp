// Where a keeper with listeners logs to: stderr, which is a pipe to the daemon, each message one
// line with its priority before it ("<3>text", as of sd-daemon(3)). The daemon writes it into its
// log.
#pragma once

namespace peeper::keeper {

// spdlog's default logger is that from here on.
void log_to_daemon();

}  // namespace peeper::keeper
