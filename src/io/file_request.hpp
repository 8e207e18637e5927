// file_request: one call to the file system, with all the memory that the call reads and writes.
//
// Why:        a kernel or a worker thread may be at it after the awaiting frame has died. So it lies in pool memory and
//             owns what it works on: paths, the status it fills, the block it reads into or writes from. Only its end,
//             the system's last word, frees it.
// Threads:    the loop's own; while a worker has it, the worker's, but for what is marked.
// Lifetime:   the awaiter's until it is submitted, then the service's (file_service.hpp); the awaiter's again when its
//             slot has fired.
#pragma once

#include <atomic>
#include <initializer_list>
#include <string_view>

#include "base/intrusive_list.hpp"
#include "io/buffer.hpp"
#include "io/descriptor.hpp"
#include "io/file_types.hpp"
#include "task/owned_node.hpp"

namespace co_wq::io {

enum class file_call : std::uint8_t {
    open,
    close,
    read,
    write,
    sync,
    sync_data,
    status,
    truncate,
    allocate,
    set_mode,
    rename,
    remove,
    make_directory,
    remove_directory,
    list,  // entries of a directory, as the system packs them
    transfer,  // from file to file, inside the system where it can
};
const char* name_of(file_call call) noexcept;

namespace detail {

class file_service;

class file_request final : public owned_node, public list_hook<file_request> {
public:
    // room: bytes that the system fills. The texts are copied. A path with a 0 in it, an empty one and one that is too
    // long are not sent: failure says so.
    static file_request& make(file_call call, std::initializer_list<std::string_view> paths = {}, std::size_t room = 0);
    // Frees it; its block returns to its pool. A descriptor is not its business (file_service::dispose).
    void free() noexcept;

    // Takes in what one system call came to, a count or a negative errno. True: more is to be done.
    bool advance(std::int64_t got) noexcept;
    // What the operation comes to: a descriptor, a count, 0, or a negative errno. Of a write the failure comes first,
    // of a read the bytes do.
    std::int32_t outcome() const noexcept;
    // Why the rest was not done.
    bool ended_early() const noexcept { return failure < 0; }

    const char* path(int number) const noexcept;
    std::byte* room() noexcept { return reinterpret_cast<std::byte*>(this) + sizeof(file_request); }
    const std::byte* room() const noexcept { return reinterpret_cast<const std::byte*>(this) + sizeof(file_request); }
    std::byte* next_byte() const noexcept { return buffer.block().data() + begin + done; }

    static constexpr std::uint32_t no_entry = UINT32_MAX;

    // ---- what is asked for
    native_handle handle = no_handle;  // the file; of paths: the directory they start from, no_handle: the current one
    native_handle other = no_handle;  // transfer: to where
    std::uint32_t entry = no_entry, other_entry = no_entry;  // whose descriptors they are
    std::uint64_t offset = 0;  // allocate, truncate: the size
    std::uint64_t length = 0;
    std::uint32_t mode = 0;
    open_options opening{};
    // open: without waiting for the other end of a fifo; rename: not over an existing one; status: not through a link;
    // transfer: look for holes
    bool flag = false;
    bool folder = false;  // open: a directory, or nothing
    bool scratch = false;  // open: what was made for nobody is removed again
    lease buffer;
    std::uint32_t begin = 0;  // first byte of the block

    // ---- what came of it
    std::uint64_t done = 0;
    std::int32_t failure = 0;
    std::int32_t made = no_handle;  // open: the descriptor, until somebody takes it

    // ---- where it is; the loop's own
    enum class place : std::uint8_t { idle, held, at_kernel, at_worker };
    place where = place::idle;
    bool owner_closed = false;
    file_service* home = nullptr;
    op_slot* slot = nullptr;

    // ---- any thread: nobody wants the rest any more
    std::atomic<bool> unwanted{false};

    const file_call call;

private:
    file_request(file_call which, std::uint32_t bytes, std::uint32_t texts_at) noexcept;
    static void act(owned_node& self, bool run) noexcept;

    const std::uint32_t bytes_;  // of the whole
    const std::uint32_t texts_at_;  // in room()
    bool performed_ = false;  // the worker is through
};

}  // namespace detail
}  // namespace co_wq::io
