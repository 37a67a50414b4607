#include "peeper/detail/outcome.hpp"

#include <stdexcept>

#include "peeper/detail/host.hpp"

namespace peeper::detail {

namespace {

void write_reply(const Result& result, const abi::Sink& sink) {
  const std::string_view bytes = result.value().bytes();
  sink.write(sink.context, bytes.data(), bytes.size());
}

void write_reason(const Result& result, const abi::Sink& sink) {
  sink.stop_reason(sink.context, result.reason().data(), result.reason().size());
}

}  // namespace

void deliver_next(const Next& next, const abi::Sink& sink, Continues continues) {
  if (!next.then) return;
  if (*next.then == abi::Then::kContinue && continues == Continues::kNo) {
    throw std::logic_error("peeper: continue_with() in a server that has no handle_continue");
  }
  sink.then(sink.context, *next.then, next.ns, as_bytes(next.argument));
}

abi::Action deliver_reply(const Result& result, const abi::Sink& sink, Continues continues) {
  switch (result.action()) {
    case abi::Action::kReply:
      write_reply(result, sink);
      deliver_next(result.next(), sink, continues);
      break;
    case abi::Action::kReplyAndStop:
      write_reply(result, sink);
      write_reason(result, sink);
      break;
    case abi::Action::kStop: write_reason(result, sink); break;
    case abi::Action::kNoReply:
    case abi::Action::kUnhandled: deliver_next(result.next(), sink, continues); break;
  }
  return result.action();
}

abi::Action deliver_silently(const Result& result, const abi::Sink& sink, Continues continues) {
  switch (result.action()) {
    case abi::Action::kStop:
    case abi::Action::kReplyAndStop: write_reason(result, sink); return abi::Action::kStop;
    case abi::Action::kReply:
    case abi::Action::kNoReply:
    case abi::Action::kUnhandled: deliver_next(result.next(), sink, continues); break;
  }
  return abi::Action::kNoReply;
}

}  // namespace peeper::detail
