// What is run as a transaction, one function each.
#include <cstdio>
#include <exception>
#include <stdexcept>

#include "common/check.hpp"
#include "common/clock.hpp"
#include "common/resp/writer.hpp"
#include "common/segment/death.hpp"
#include "common/segment/message.hpp"
#include "worker/runtime/runtime.hpp"

namespace peeper::worker {
namespace {

using segment::Channel;
using segment::MessageType;
using Access = PageGuard::Access;

abi::Bytes bytes(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(abi::Bytes text) { return {text.data, text.size}; }

abi::MessageKind kind_of(MessageType type) {
  switch (type) {
    case MessageType::kCall: return abi::MessageKind::kCall;
    case MessageType::kCast: return abi::MessageKind::kCast;
    case MessageType::kInfo: return abi::MessageKind::kInfo;
    case MessageType::kAnswer: return abi::MessageKind::kAnswer;
    case MessageType::kGetState:
    case MessageType::kReplaceState: break;
  }
  PEEPER_CHECK(false, "a message of no known type");
}

}  // namespace

// --- Messages of the mailbox ---------------------------------------------------------------------

void Runtime::handle(const Message& message) {
  const segment::MessageHead& head = message.head;
  const std::uint64_t begun_at = has_deadline(head) ? now_ns() : 0;
  if (begun_at != 0 && is_too_late(head.number, begun_at)) return skip(message);
  const auto token = read_message(head, message.body);
  PEEPER_CHECK(token, "a message in the mailbox was overwritten");

  begin(Channel::kMailbox, message.position, Access::kReadsOnly);
  running_.mailbox_head = message.position + head.bytes;
  take_up(message);

  if (segment::is_system(head.type)) {
    // Unless it was handled out of its turn.
    if (message.position >= transaction_.system_done()) handle_system(head);
  } else {
    barrier([&] {
      if (access_of(head) == Access::kWrites) services_.change();
      handle_user(head, *token);
    });
  }
  commit(running_.mailbox_head);
  if (begun_at != 0) call_time_.took(now_ns() - begun_at);
}

// What begins is this message of the mailbox; strings_ says it.
void Runtime::take_up(const Message& message) {
  const segment::MessageHead& head = message.head;
  running_.message = head;
  running_.body = message.body;
  running_.if_dropped = {head.stream, head.number, segment::answered_call(head), 0};
  if (head.type == MessageType::kCall || segment::is_system(head.type))
    running_.from = {head.request, head.stream, head.epoch, 0};
  running_.name = head.type == MessageType::kAnswer ? "answer"
                                                    : view(strings_[0]).substr(0, kShownName);
}

// A call that is of no use once its caller has had its TIMEOUT, where the server is configured so.
// Not one of an earlier daemon's clients: what they were told is not known any more, and it was
// accepted.
bool Runtime::has_deadline(const segment::MessageHead& head) const {
  return head.type == MessageType::kCall && head.stream == 0 && head.number != 0 &&
         head.epoch == control_.replies.epoch.load(std::memory_order_acquire);
}

// Where calls pile up, the next one always has just a moment left: to begin it would only make the
// one behind it as late. One for which the server has waited is run, however little time it has.
bool Runtime::is_too_late(std::uint64_t deadline, std::uint64_t now) {
  if (now > deadline) return true;
  if (handled_ == 0 || deadline - now >= call_time_.most_of_them()) return false;
  call_time_.passed_by();
  return true;
}

void Runtime::skip(const Message& message) {
  begin(Channel::kMailbox, message.position, Access::kReadsOnly);
  segment::Atomic64& skipped = control_.mailbox.skipped;
  skipped.store(skipped.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  commit(message.position + message.head.bytes);
}

std::optional<std::string_view> Runtime::read_message(const segment::MessageHead& head,
                                                      std::span<const std::byte> body) {
  strings_.clear();
  const bool readable = segment::read_strings(
      head, body, [&](std::string_view text) { strings_.push_back(bytes(text)); });
  if (!readable) return std::nullopt;
  std::string_view token;
  if ((head.flags & segment::kHasToken) != 0 && strings_.size() > 1) {
    token = view(strings_.back());
    strings_.pop_back();
  }
  return token;
}

// sys asks the runtime, so no timeout is disturbed.
void Runtime::handle_system(const segment::MessageHead& head) {
  if (head.type == MessageType::kGetState) return handle_get_state();
  barrier([&] { handle_replace_state(); });
}

void Runtime::handle_replace_state() {
  const std::string& server = segment_.id().server;
  if (behaviour_.replace_state == nullptr) {
    outcome_.value.clear();
    resp::append_error(outcome_.value,
                       "DENIED server '" + server +
                           "' lets nobody replace its state: its behaviour has no "
                           "replace_state(const Message&, State&), see peeper-server(7)");
    services_.answer(running_.from, outcome_.value);
    return;
  }
  services_.change();
  const abi::Sink sink = fresh_sink();
  const abi::Message message{abi::MessageKind::kCall,
                             static_cast<std::uint32_t>(strings_.size() - 1),
                             bytes("replace_state"),
                             strings_.data() + 1,
                             running_.from,
                             0};
  abi::Action action = behaviour_.replace_state(object_, heap_.state(), &message, &sink);
  if (action == abi::Action::kNoReply) {
    resp::append_status(outcome_.value, "OK");
    action = abi::Action::kReply;
  }
  settle_call(action, running_.from, {});
}

// What format_status throws is an answer. The message's one argument, if it has any, is a path.
void Runtime::handle_get_state() {
  const abi::Sink sink = fresh_sink();
  try {
    const Services::NoEffects look{services_, "format_status"};
    const abi::Bytes path = strings_.size() > 1 ? strings_[1] : abi::Bytes{nullptr, 0};
    behaviour_.format_state(object_, heap_.state(), path, &sink);
  } catch (...) {
    outcome_.value.clear();
    resp::append_error(outcome_.value, "ERR format_status threw " + exception_text());
  }
  barrier([&] { services_.answer(running_.from, outcome_.value); });
}

void Runtime::handle_user(const segment::MessageHead& head, std::string_view token) {
  const Durable& kept = services_.durable();
  if (head.type == MessageType::kAnswer) {
    // Too late, or delivered twice. No number is kept of answers: a call is open once.
    if (!services_.change().timers.cancel(head.request, Timer::Kind::kCall)) return;
  } else if (head.stream != 0) {
    std::uint64_t& last = services_.change().streams[head.stream];
    if (head.number <= last) return;  // delivered twice
    last = head.number;
  }
  if (kept.timeout_at != 0) services_.change().timeout_at = 0;

  if (!token.empty() && kept.tokens.size() != 0) {
    if (Tokens::Entry* before = services_.change().tokens.find(token)) {
      if (before->is == Tokens::Reply::kOpen)
        before->asked_last = running_.from;
      else if (head.type == MessageType::kCall)
        services_.answer(running_.from, first_reply(*before));
      return;
    }
  }
  if (head.type != MessageType::kCall) {
    run_info(kind_of(head.type), head.request);
    if (!token.empty()) services_.change().tokens.remember(token, {}, services_.token_bounds());
    return;
  }
  if (!token.empty()) services_.watch(running_.from);
  const abi::Sink sink = fresh_sink();
  const abi::Message message{abi::MessageKind::kCall,
                             static_cast<std::uint32_t>(strings_.size() - 1),
                             strings_[0],
                             strings_.data() + 1,
                             running_.from,
                             0};
  settle_call(behaviour_.handle(object_, heap_.state(), &message, &sink), running_.from, token);
}

// What a retry is answered. Valid until the next one, or until the entry goes.
std::string_view Runtime::first_reply(const Tokens::Entry& entry) {
  if (entry.is == Tokens::Reply::kKept && !entry.reply.empty()) return entry.reply;
  outcome_.value.clear();
  if (entry.is == Tokens::Reply::kKept)
    resp::append_error(outcome_.value,
                       "BADARG this token was used for a message that has no reply");
  else
    resp::append_error(outcome_.value,
                       "TOOBIG the message of this token was handled; its reply of " +
                           std::to_string(entry.reply_bytes) +
                           " bytes was too large to be kept for a retry; raise 'state_size'");
  return outcome_.value;
}

// A callback that takes its State by const reference is believed: nothing is saved for it.
PageGuard::Access Runtime::access_of(const segment::MessageHead& head) {
  switch (head.type) {
    case MessageType::kGetState: return Access::kReadsOnly;
    case MessageType::kAnswer:
    case MessageType::kReplaceState: return Access::kWrites;
    case MessageType::kCast:
      return (behaviour_.flags & abi::kCastReadsOnly) != 0 ? Access::kReadsOnly : Access::kWrites;
    case MessageType::kInfo:
      return (behaviour_.flags & abi::kInfoReadsOnly) != 0 ? Access::kReadsOnly : Access::kWrites;
    case MessageType::kCall: break;
  }
  if ((behaviour_.flags & abi::kCallReadsOnly) != 0) return Access::kReadsOnly;
  if (behaviour_.reads_only == nullptr) return Access::kWrites;
  const abi::Message message{abi::MessageKind::kCall,
                             static_cast<std::uint32_t>(strings_.size() - 1),
                             strings_[0],
                             strings_.data() + 1,
                             {},
                             0};
  const Services::NoEffects look{services_, "reads_only"};
  return behaviour_.reads_only(object_, &message) ? Access::kReadsOnly : Access::kWrites;
}

// --- What the heap held --------------------------------------------------------------------------

void Runtime::handle_continue() {
  begin(Channel::kContinue, services_.durable().continues.front().number, Access::kWrites);
  running_.name = "handle_continue";
  barrier([&] {
    auto& continues = services_.change().continues;
    const std::string argument{continues.front().argument.data(),
                               continues.front().argument.size()};
    continues.pop_front();
    if (behaviour_.handle_continue == nullptr) return report_dropped_continue(argument);
    const abi::Sink sink = fresh_sink();
    settle_info(behaviour_.handle_continue(object_, heap_.state(), bytes(argument), &sink));
  });
  commit(transaction_.mailbox_head());
}

// An upgrade may leave code behind that asked for it. To fail would cost a worker, again and again,
// for what no code here can run. Our stderr goes into the daemon's log.
void Runtime::report_dropped_continue(std::string_view argument) const {
  std::fprintf(stderr,
               "peeper-worker: server '%s': the continue '%s' is dropped: this code has no "
               "handle_continue\n",
               segment_.id().server.c_str(), segment::printable(argument, kShownName).c_str());
}

void Runtime::handle_timer(std::uint64_t number) {
  begin(Channel::kTimer, number, Access::kWrites);
  running_.name = "timer";
  barrier([&] {
    Durable& kept = services_.change();
    kept.timeout_at = 0;
    const auto timer = kept.timers.take(number);
    strings_.clear();
    std::string value;
    if (timer->kind != Timer::Kind::kMessage) {
      resp::append_error(value, "TIMEOUT " + std::string(std::string_view{timer->strings[0]}) +
                                    ": no answer in time; the message may still be handled");
      strings_.push_back(bytes(value));
      run_info(abi::MessageKind::kAnswer, number);
    } else {
      for (const peeper::string& text : timer->strings) strings_.push_back(bytes(text));
      running_.name = view(strings_[0]).substr(0, kShownName);
      run_info(abi::MessageKind::kInfo, 0);
    }
  });
  commit(transaction_.mailbox_head());
}

void Runtime::handle_timeout() {
  begin(Channel::kTimeout, services_.durable().timeout_at, Access::kWrites);
  running_.name = "timeout";
  barrier([&] {
    services_.change().timeout_at = 0;
    strings_.assign(1, bytes("timeout"));
    run_info(abi::MessageKind::kInfo, 0);
  });
  commit(transaction_.mailbox_head());
}

// --- Outcomes ------------------------------------------------------------------------------------

// A cast, an info or an answer; strings_ says it.
void Runtime::run_info(abi::MessageKind kind, std::uint64_t reference) {
  const abi::Sink sink = fresh_sink();
  abi::Message message{kind,
                       static_cast<std::uint32_t>(strings_.size() - 1),
                       strings_[0],
                       strings_.data() + 1,
                       {},
                       0};
  if (kind == abi::MessageKind::kAnswer) {
    message.name = bytes("answer");
    message.argument_count = 1;
    message.arguments = strings_.data();
    message.reference = reference;
  }
  settle_info(behaviour_.handle(object_, heap_.state(), &message, &sink));
}

void Runtime::settle_call(abi::Action action, const abi::From& from, std::string_view token) {
  if (action == abi::Action::kUnhandled) {
    outcome_.value.clear();
    resp::append_error(outcome_.value,
                       "BADARG server '" + segment_.id().server + "' has no handle_call");
  }
  if (action == abi::Action::kStop) {
    // As in OTP, whoever waits for a server that stops learns its reason.
    outcome_.value.clear();
    resp::append_error(outcome_.value,
                       "DOWN " + segment_.id().server + ": stopped: " + outcome_.stop_reason);
  }
  const bool replies = action != abi::Action::kNoReply;
  if (!token.empty()) {
    Tokens& tokens = services_.change().tokens;
    // The caller has what it got first, whatever the callback returned after that.
    if (const auto& given = services_.reply_in_callback())
      tokens.remember(token, *given, services_.token_bounds());
    else if (replies)
      tokens.remember(token, outcome_.value, services_.token_bounds());
    else
      tokens.remember_open(token, from, services_.token_bounds());
  }
  if (replies) services_.answer(from, outcome_.value);
  settle_info(action);
}

void Runtime::settle_info(abi::Action action) {
  switch (action) {
    case abi::Action::kStop:
    case abi::Action::kReplyAndStop: stops_ = true; break;
    case abi::Action::kReply:
    case abi::Action::kNoReply:
    case abi::Action::kUnhandled: break;
  }
  apply_then();
}

void Runtime::apply_then() {
  if (!outcome_.then) return;
  switch (*outcome_.then) {
    case abi::Then::kTimeout: services_.change().timeout_at = ns_from_now(outcome_.then_ns); return;
    case abi::Then::kHibernate: hibernates_ = true; return;
    case abi::Then::kContinue: {
      if (behaviour_.handle_continue == nullptr)
        throw std::logic_error("continue_with() needs a handle_continue");
      Durable& kept = services_.change();
      const std::string& argument = outcome_.continuation;
      kept.continues.push_back(
          {++kept.last_number, peeper::string(argument.data(), argument.size())});
      return;
    }
  }
}

abi::Sink Runtime::fresh_sink() {
  outcome_.value.clear();
  outcome_.then.reset();
  outcome_.most_value = transaction_.largest_value();
  const auto write = [](void* context, const char* data, std::size_t size) {
    auto& outcome = *static_cast<Outcome*>(context);
    if (size > outcome.most_value - outcome.value.size())
      throw std::length_error("the reply is larger than half of the mailbox; raise 'mailbox'");
    outcome.value.append(data, size);
  };
  const auto stop_reason = [](void* context, const char* data, std::size_t size) {
    static_cast<Outcome*>(context)->stop_reason.assign(data, size);
  };
  const auto then = [](void* context, abi::Then what, std::uint64_t ns, abi::Bytes argument) {
    auto& outcome = *static_cast<Outcome*>(context);
    outcome.then = what;
    outcome.then_ns = ns;
    outcome.continuation.assign(argument.data == nullptr ? "" : argument.data, argument.size);
  };
  return {&outcome_, write, stop_reason, then};
}

}  // namespace peeper::worker
