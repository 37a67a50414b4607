// Where a keeper with listeners logs to: a pipe of its own to the daemon, each message one line
// with its priority before it ("<3>text", as of sd-daemon(3)). The daemon writes it into its log.
// stdout and stderr are the listeners', and whatever they print can't pass for the keeper's.
#pragma once

namespace peeper::keeper {

// spdlog's default logger is that from here on. Where a listener has closed `fd`: stderr.
void log_to_daemon(int fd);

}  // namespace peeper::keeper
