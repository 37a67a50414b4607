// SYS SEGMENTS: what lies in /dev/shm for this instance, and what of it no server needs.
//
// All is done in one turn of the loop. Whether a server is configured can't change meanwhile, and
// this daemon starts no keeper: what a reload or START_CHILD adds is either known here already, or
// comes after the old segment has gone.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>

#include "common/segment/census.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/commands/segment_fate.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {
namespace {

// The word for what has become of one that was stale.
std::string_view prune(const segment::SegmentFile& file, std::string& error) {
  const auto removed = segment::remove_unheld(file.id, file.owner);
  if (removed) {
    spdlog::warn("segment {} is removed, with its state: no server '{}' is configured",
                 file.id.path(), segment::printable(file.id.server, 128));
    return "removed";
  }
  if (removed.error().system_error == EAGAIN) return to_word(SegmentFate::kHeld);
  error = removed.error().what;
  spdlog::error("{}", error);
  return to_word(SegmentFate::kStale);
}

}  // namespace

Outcome Commands::sys_segments(Session& session, Arguments arguments) {
  const bool prunes = arguments.size() == 3 && same_word(arguments[2], "PRUNE");
  if (arguments.size() != 2 && !prunes) {
    session.reply(usage("SYS SEGMENTS [PRUNE]"));
    return Outcome::kDone;
  }
  const auto files = segment::segment_files(facts_.instance);
  if (!files) {
    session.reply(error_value("ERR " + files.error().what));
    return Outcome::kDone;
  }
  const uid_t me = ::geteuid();
  std::string list;
  std::size_t count = 0;
  for (const segment::SegmentFile& file : *files) {
    const bool is_configured = tree_->is_configured(file.id.server);
    if (file.owner != me && me != 0 && !is_configured) continue;
    const SegmentFate fate = fate_of(file, is_configured, me);
    std::string error;
    const std::string_view state =
        prunes && fate == SegmentFate::kStale ? prune(file, error) : to_word(fate);
    ++count;
    list += MapValue{}
                .text("server", file.id.server)
                .text("segment", file.id.path())
                .text("state", state)
                .number("size", static_cast<std::int64_t>(file.bytes))
                .number("used", static_cast<std::int64_t>(file.used_bytes))
                .boolean("held", file.is_held)
                .boolean("configured", is_configured)
                .number("age_seconds", file.age.count())
                .number("user", file.owner)
                .text("error", error)
                .take();
  }
  std::string all;
  resp::append_array(all, count);
  session.reply(all + list);
  return Outcome::kDone;
}

}  // namespace peeper::daemon
