// What kv.cpp lists of its commands.
#pragma once

#include <peeper/message_spec.hpp>

#include <array>

namespace kv {

inline constexpr std::array kMessages{
    peeper::MessageSpec{peeper::Kind::call, "get", "KEY", "replies the value, or null"},
    peeper::MessageSpec{peeper::Kind::call, "set",
                        "KEY VALUE [NX|XX] [GET] [EX S|PX MS|EXAT S|PXAT MS|KEEPTTL]",
                        "sets the value, and when it expires"},
    peeper::MessageSpec{peeper::Kind::call, "incr", "KEY", "adds 1, and replies the sum"},
    peeper::MessageSpec{peeper::Kind::call, "del", "KEY ...", "replies how many there were"},
    peeper::MessageSpec{peeper::Kind::call, "exists", "KEY ...", "replies how many there are"},
    peeper::MessageSpec{peeper::Kind::call, "decr", "KEY", "subtracts 1"},
    peeper::MessageSpec{peeper::Kind::call, "incrby", "KEY N", "adds N, and replies the sum"},
    peeper::MessageSpec{peeper::Kind::call, "decrby", "KEY N", "subtracts N"},
    peeper::MessageSpec{peeper::Kind::call, "append", "KEY TEXT", "replies the new length"},
    peeper::MessageSpec{peeper::Kind::call, "strlen", "KEY", "replies the value's length"},
    peeper::MessageSpec{peeper::Kind::call, "mget", "KEY ...", "replies the values"},
    peeper::MessageSpec{peeper::Kind::call, "mset", "KEY VALUE ...", "sets several"},
    peeper::MessageSpec{peeper::Kind::call, "expire", "KEY S [NX|XX|GT|LT]", "lets it expire"},
    peeper::MessageSpec{peeper::Kind::call, "pexpire", "KEY MS [NX|XX|GT|LT]", "lets it expire"},
    peeper::MessageSpec{peeper::Kind::call, "ttl", "KEY", "replies the seconds that it has"},
    peeper::MessageSpec{peeper::Kind::call, "pttl", "KEY", "replies the milliseconds"},
    peeper::MessageSpec{peeper::Kind::call, "persist", "KEY", "lets it not expire"},
    peeper::MessageSpec{peeper::Kind::call, "keys", "PATTERN", "replies the names that fit"},
    peeper::MessageSpec{peeper::Kind::call, "type", "KEY", "replies string, or none"},
    peeper::MessageSpec{peeper::Kind::call, "dbsize", "", "replies how many keys there are"},
    peeper::MessageSpec{peeper::Kind::call, "flushall", "[ASYNC|SYNC]", "removes all keys"},
    peeper::MessageSpec{peeper::Kind::call, "ping", "[TEXT]", "replies it, or PONG"},
};

}  // namespace kv
