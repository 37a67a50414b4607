// Tells the service manager that started us what we are up to (sd_notify(3)'s protocol): under
// systemd with Type=notify, and for whoever else sets NOTIFY_SOCKET.
#pragma once

#include <string_view>

namespace peeper::daemon {

// "READY=1", "STOPPING=1". Without NOTIFY_SOCKET: nothing. Never blocks; failures don't matter.
void notify_service_manager(std::string_view state);

}  // namespace peeper::daemon
