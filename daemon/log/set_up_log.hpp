// peeperd's own log as the configuration wants it: where to, and how its lines look.
#pragma once

#include "common/result.hpp"
#include "daemon/config/config.hpp"

namespace peeper::daemon {

// spdlog's default logger is a new one from here on; a file is opened anew. Failure: it can't be
// opened, and the log goes on as before. Thread: main's. Blocks on the file system.
// What can't be written later is lost, and stops nothing: that is told on stderr, now and then.
[[nodiscard]] Result<void> set_up_log(const config::DaemonSection& daemon);

// Whether that descriptor is the stream which systemd says leads to its journal ($JOURNAL_STREAM,
// "device:inode"; null: there is none).
[[nodiscard]] bool leads_to_journal(int fd, const char* journal_stream);

}  // namespace peeper::daemon
