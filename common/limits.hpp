// Every bound of the project, with its unit, its reason, and what happens beyond it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace peeper::limits {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

// --- Names ---------------------------------------------------------------------------------------
// Part of a segment's name, which must fit NAME_MAX (255). Beyond: the configuration is refused.
inline constexpr std::size_t kInstanceNameBytes = 32;
inline constexpr std::size_t kServerNameBytes = 64;
inline constexpr std::size_t kBehaviourNameBytes = 256;
// A token (ID) that makes a retry safe; kept in the server's heap. Beyond, and empty: BADARG.
inline constexpr std::size_t kTokenBytes = 128;

// --- Memory of a server --------------------------------------------------------------------------
// state_size. The least holds the allocator's own structures; the most is what the journal's 32-bit
// page numbers can name. Beyond: the configuration is refused.
inline constexpr std::size_t kLeastStateBytes = 64 * KiB;
inline constexpr std::size_t kMostStateBytes = 1024 * GiB;
// mailbox: one message may fill at most half of it, less headers. Beyond: TOOBIG.
inline constexpr std::size_t kLeastMailboxBytes = 64 * KiB;
inline constexpr std::size_t kMostMailboxBytes = 1 * GiB;

// --- RESP, what one client may ask of the daemon -------------------------------------------------
// Arguments of one command and length of an inline command, as in Redis. Beyond: a protocol error,
// the connection is closed.
inline constexpr std::size_t kCommandArguments = 1024 * 1024;
inline constexpr std::size_t kInlineBytes = 64 * KiB;
// One bulk string and one whole command. Beyond: a protocol error, the connection is closed; a
// command that passes here but not through its server's mailbox gets TOOBIG and the connection
// stays open.
inline constexpr std::size_t kBulkBytes = 512 * MiB;
inline constexpr std::size_t kCommandBytes = 512 * MiB;
// Nesting of a reply. Beyond: the reply counts as malformed.
inline constexpr std::size_t kReplyDepth = 64;
// What our own client takes from a daemon before it has made a reply of it. Above any value a
// server can hand out through its rings. Beyond: the command fails and the connection is closed.
inline constexpr std::size_t kClientReplyBytes = 1 * GiB;
// Commands that our own client keeps, to send them again, until they are answered. Beyond: the next
// one fails with ENOBUFS.
inline constexpr std::size_t kClientUnanswered = 1'000'000;

// --- Connections ---------------------------------------------------------------------------------
inline constexpr std::size_t kConnections = 10'000;
// Replies a connection may have pending, and bytes it may leave unread. Beyond: the daemon reads no
// further commands from it until it has caught up.
inline constexpr std::size_t kPendingReplies = 10'000;
inline constexpr std::size_t kUnsentBytes = 16 * MiB;
// Bytes that replies to commands read before that, and messages of channels, may add up to, one
// more not counted. Beyond: the connection is closed; nobody waits for a slow subscriber.
inline constexpr std::size_t kMostUnsentBytes = 128 * MiB;
// Channels a connection subscribes to, and bytes of a channel's name: a server's name, a slash and
// what that server calls it. Beyond: BADARG, and the command changes nothing.
inline constexpr std::size_t kSubscriptions = 1'000;
inline constexpr std::size_t kChannelBytes = 512;

// --- What workers write to stdout and stderr -----------------------------------------------------
// One line. What is longer goes on in the next one.
inline constexpr std::size_t kOutputLineBytes = 8 * KiB;
// What a line costs beside its bytes: memory where it is kept, time where it is taken.
inline constexpr std::size_t kOutputLineCost = 256;
// The last lines that are kept of each server, so at most 1024. Beyond: the oldest go, and are
// counted.
inline constexpr std::size_t kOutputKeptCost = 256 * KiB;
// Taken from one pipe in that time: some 20 000 lines or 8 MB a second, at some percent of a
// processor. Beyond: who writes waits, as with any full pipe.
inline constexpr std::size_t kOutputTakenCost = 16 * KiB;
inline constexpr std::chrono::milliseconds kOutputPause{2};
// Taken at once of what a worker that has died leaves in its pipe. Beyond: the first lines of it
// are dropped, and counted.
inline constexpr std::size_t kLastOutputCost = 256 * KiB;
// SYS OUTPUT: lines where it isn't said how many, and the most that may be asked for. Beyond:
// BADARG.
inline constexpr std::size_t kOutputLines = 100;
inline constexpr std::size_t kMostOutputLines = 1024;

// --- The process that shows a state --------------------------------------------------------------
// A path into a State, and what its inspector may answer, take for itself where limits.memory says
// nothing (beside the heap that it maps), and need of time. Beyond: an error for who asked.
inline constexpr std::size_t kStatePathBytes = 4 * KiB;
inline constexpr std::size_t kInspectedBytes = 16 * MiB;
inline constexpr std::size_t kInspectorBytes = 256 * MiB;
inline constexpr std::chrono::milliseconds kInspectionTime{3'000};

// --- Retries -------------------------------------------------------------------------------------
// retries, with on_crash = "retry": of one message. Beyond: the configuration is refused.
inline constexpr std::uint32_t kMostRetries = 1'000;
// Stands for no end of them: on_crash_loop without "drop".
inline constexpr std::uint32_t kEndlessRetries = 4'000'000'000;

// --- Time ----------------------------------------------------------------------------------------
inline constexpr std::chrono::milliseconds kCallTimeout{5'000};
// TIMEOUT of a call: at most a day; beyond: BADARG.
inline constexpr std::chrono::milliseconds kMostCallTimeout{24 * 3600 * 1000};
// What a worker may take for the message in hand when the daemon has died. Beyond: SIGKILL.
inline constexpr std::chrono::milliseconds kOrphanGrace{100};

// --- Texts from a dying worker -------------------------------------------------------------------
inline constexpr std::size_t kCrashTextBytes = 512;

}  // namespace peeper::limits
