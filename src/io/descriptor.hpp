// descriptor: one open file of a loop, with at most one reader and one writer waiting on it.
//
// For:        the reactor's registration table. What the kernel is given is a tag (index and generation) of this
//             entry, never a descriptor number and never a pointer.
// Guarantees: an entry is reused only after its file is closed and the kernel has ended every operation on it
//             (pins are zero); an event for an earlier use finds a different generation and touches nothing.
// Threads:    the loop's own.
#pragma once

#include <cstdint>
#include <vector>

#include "task/op_slot.hpp"

namespace co_wq::io {

using native_handle = int;
inline constexpr native_handle no_handle = -1;

enum class descriptor_kind : std::uint8_t {
    stream,    // a short read means: empty
    local_stream,  // a read ends where files came with the bytes, and only we read: files must find their reader
    listener,
    datagram,
    file,      // of a file system: any number of calls at a time, each with its own offset
    pipe,      // moved with read and write: pipes, eventfds, signalfds, whatever is no socket
    terminal,  // the same, and a hang-up is an error
    named_pipe,  // one end of a connection over a named pipe of Windows
    pipe_listener,  // that which accepts them
    other,     // only waited for: what another library owns
};

struct descriptor_extra;  // the backend's, for the few entries that need more

struct alignas(64) descriptor {
    op_slot* reader = nullptr;   // recv, accept, poll in
    op_slot* writer = nullptr;   // send, connect, poll out
    descriptor_extra* extra = nullptr;
    op_tag watch{};              // the backend's standing operation on it (io_uring: multishot poll for reading)
    op_tag watch_out{};          // the same while a writer waits for room (io_uring: one-shot poll); no tag: none
    native_handle handle = no_handle;
    std::uint32_t generation = 1;
    std::uint32_t index = 0;
    std::uint16_t pins = 0;      // kernel operations that hold the file
    descriptor_kind kind = descriptor_kind::other;
    bool used : 1 = false;
    bool owned : 1 = true;       // we close it
    bool closing : 1 = false;    // its owner let go; pins still hold it
    bool watched : 1 = false;    // registered with the kernel
    bool room_watched : 1 = false;  // and so is room for a writer (epoll)
    bool readable : 1 = true;    // a read may succeed (unknown counts as yes)
    bool writable : 1 = true;
    bool ended : 1 = false;      // hang-up or error seen: reads always return at once
    bool stopped : 1 = false;    // a listener that takes only what has come already
    bool multishot : 1 = false;  // the kernel receives on its own (io_uring)
    bool send_ended : 1 = false;  // we have ended our direction
    bool broken : 1 = false;     // reset seen (iocp)
    bool peer_ended : 1 = false;  // its end was seen, and no reset before it (iocp)
    bool reset_told : 1 = false;  // a call has failed with it (iocp)
    bool by_backend : 1 = false;  // what is done to it the backend does, and nobody else (named pipes)
    std::uint8_t flow : 2 = 0;  // how many datagrams are asked for at once, from how they came (native_datagrams.cpp)

    op_tag tag() const noexcept { return {index, generation}; }
};
static_assert(sizeof(descriptor) == 64);

class descriptor_table {
public:
    descriptor_table() = default;
    descriptor_table(const descriptor_table&) = delete;
    descriptor_table& operator=(const descriptor_table&) = delete;
    ~descriptor_table();

    descriptor& add(native_handle handle, descriptor_kind kind, bool owned);
    // The entry's file is closed and nothing holds it any more.
    void remove(descriptor& entry) noexcept;
    // Null when the tag names an earlier use.
    descriptor* find(op_tag tag) noexcept;
    descriptor& at(std::uint32_t index) noexcept {
        return chunks_[index / chunk_entries]->entries[index % chunk_entries];
    }
    const descriptor& at(std::uint32_t index) const noexcept {
        return chunks_[index / chunk_entries]->entries[index % chunk_entries];
    }
    std::size_t live() const noexcept { return live_; }

    template <class Visit>
    void for_each(Visit&& visit) {
        for (chunk* page : chunks_)
            for (descriptor& entry : page->entries)
                if (entry.used) visit(entry);
    }

private:
    static constexpr std::uint32_t chunk_entries = 64;
    struct chunk {
        descriptor entries[chunk_entries];
    };
    std::vector<chunk*> chunks_;
    std::vector<std::uint32_t> free_;
    std::size_t live_ = 0;
};

}  // namespace co_wq::io
