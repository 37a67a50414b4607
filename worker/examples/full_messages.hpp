// What full.cpp lists of its messages.
#pragma once

#include <array>

#include "peeper/message_spec.hpp"

namespace full {

using peeper::Kind;
using peeper::MessageSpec;

inline constexpr std::array kMessages{
    MessageSpec{Kind::call, "get", "", "replies the count"},
    MessageSpec{Kind::call, "inc", "", "adds 1, and replies the count"},
    MessageSpec{Kind::call, "log", "", "replies what has happened"},
    MessageSpec{Kind::call, "forget", "", "empties count and log"},
    MessageSpec{Kind::call, "reply_timeout", "MS", "adds 1; then a timeout"},
    MessageSpec{Kind::call, "reply_hibernate", "", "adds 1; then hibernates"},
    MessageSpec{Kind::call, "reply_continue", "ARG", "adds 1; then continues"},
    MessageSpec{Kind::call, "later", "", "is answered by answer"},
    MessageSpec{Kind::call, "later_timeout", "MS", "the same; then a timeout"},
    MessageSpec{Kind::call, "later_hibernate", "", "the same; then hibernates"},
    MessageSpec{Kind::call, "later_continue", "ARG", "the same; then continues"},
    MessageSpec{Kind::call, "later_twice", "", "is to be answered twice"},
    MessageSpec{Kind::call, "answer", "VALUE", "to who has waited longest"},
    MessageSpec{Kind::call, "answer_now", "VALUE [SECOND]", "replies before it returns"},
    MessageSpec{Kind::call, "stop", "REASON", "stops"},
    MessageSpec{Kind::call, "stop_reply", "REASON VALUE", "replies, and stops"},
    MessageSpec{Kind::call, "after", "MS NAME [ARG]", "sets a timer; replies its number"},
    MessageSpec{Kind::call, "cancel", "TIMER", "replies the milliseconds it had left"},
    MessageSpec{Kind::call, "tell", "SERVER NAME [ARG]", "a cast to a server"},
    MessageSpec{Kind::call, "inform", "SERVER NAME [ARG]", "an info to a server"},
    MessageSpec{Kind::call, "ask", "SERVER NAME [ARG]", "a call to a server"},
    MessageSpec{Kind::call, "ask_within", "MS SERVER NAME [ARG]", "a call with a timeout"},
    MessageSpec{Kind::call, "publish", "CHANNEL VALUE", "to who subscribed"},
    MessageSpec{Kind::call, "put", "KEY VALUE", "into the dictionary"},
    MessageSpec{Kind::call, "fetch", "KEY", "from the dictionary"},
    MessageSpec{Kind::call, "drop", "KEY", "from the dictionary"},
    MessageSpec{Kind::call, "entries", "", "of the dictionary: how many"},
    MessageSpec{Kind::call, "throw", "TEXT", "an exception"},
    MessageSpec{Kind::call, "stream", "SERVER COUNT", "casts numbers to a server"},
    MessageSpec{Kind::call, "received", "", "replies how many came, and how many out of order"},
    MessageSpec{Kind::call, "question", "SERVER COUNT", "calls a server with numbers"},
    MessageSpec{Kind::call, "number", "N", "is such a call"},
    MessageSpec{Kind::call, "answered", "", "replies how many were, and how many wrongly"},
    MessageSpec{Kind::call, "then_segv", "CALL [ARG ...]", "does that, and crashes"},
    MessageSpec{Kind::cast, "inc", "", "adds 1"},
    MessageSpec{Kind::cast, "then", "WHAT [ARGUMENT]", "continue, timeout, hibernate or stop"},
    MessageSpec{Kind::info, "inc", "", "adds 1"},
    MessageSpec{Kind::info, "then", "WHAT [ARGUMENT]", "continue, timeout, hibernate or stop"},
    MessageSpec{Kind::cast, "stop", "REASON", "stops"},
    MessageSpec{Kind::cast, "number", "N", "is one of a stream"},
    MessageSpec{Kind::info, "boom", "", "an exception"},
};

}  // namespace full
