#include "daemon/inspection/message_list.hpp"

#include <utility>

#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {

std::optional<MessageList::Stamp> MessageList::stamp_of(const std::string& library) {
  struct stat file {};
  if (::stat(library.c_str(), &file) != 0) return std::nullopt;
  return Stamp{file.st_dev, file.st_ino, file.st_size, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
}

// Who waits while the file is replaced gets the newer list.
void MessageList::ask(LaunchSpec spec, const std::string& library, ReplyTarget asker) {
  asker.is_system = true;
  askers_.push_back(std::move(asker));
  const auto stamp = stamp_of(library);
  const bool is_same = stamp && stamp == stamp_;
  if (is_same && !list_.empty()) return answer(std::string(list_));
  if (is_same && inspector_.runs()) return;
  inspector_.cancel();
  list_.clear();
  stamp_ = stamp;
  spec.arguments.emplace_back("--list-messages");
  const auto started = inspector_.start(
      std::move(spec), [this](const Result<std::string>& ended) { on_end(ended); });
  if (!started) answer(error_value("ERR " + server_ + ": " + started.error().what));
}

void MessageList::on_end(const Result<std::string>& ended) {
  if (!ended) return answer(error_value("ERR " + server_ + ": " + ended.error().what));
  if (ended->starts_with('*')) list_ = *ended;
  answer(*ended);
}

void MessageList::answer(const std::string& value) {
  for (const ReplyTarget& asker : std::exchange(askers_, {}))
    asker.sink->deliver(asker.slot, value);
}

void MessageList::fail(const std::string& value) {
  inspector_.cancel();
  answer(value);
}

}  // namespace peeper::daemon
