#include "peeper/detail/dispatch.hpp"

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

abi::Action deliver_reply(const Result& result, const abi::Sink& sink) {
  switch (result.action()) {
    case abi::Action::kReply: write_reply(result, sink); break;
    case abi::Action::kReplyAndStop:
      write_reply(result, sink);
      write_reason(result, sink);
      break;
    case abi::Action::kStop: write_reason(result, sink); break;
    case abi::Action::kNoReply:
    case abi::Action::kUnhandled: break;
  }
  return result.action();
}

abi::Action deliver_silently(const Result& result, const abi::Sink& sink) {
  switch (result.action()) {
    case abi::Action::kStop:
    case abi::Action::kReplyAndStop: write_reason(result, sink); return abi::Action::kStop;
    case abi::Action::kReply:
    case abi::Action::kNoReply:
    case abi::Action::kUnhandled: break;
  }
  return abi::Action::kNoReply;
}

}  // namespace peeper::detail
