// What the descriptor of a named pipe has beside its entry: the memory that the kernel reads into and writes from,
// which lives until the packets of both have been taken. Only for reactor_iocp.
//
// Why:        a pipe has no readiness. One read at a time into a block of the descriptor's makes "there are bytes", and
//             one write at a time out of another "there is room"; attempts copy in and out.
#pragma once

#include <windows.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/backend/named_pipe_handles.hpp"
#include "task/op_slot.hpp"

namespace co_wq::io {

struct descriptor_extra {
    explicit descriptor_extra(bool for_listener) noexcept : listens(for_listener) {}
    const bool listens;

protected:
    ~descriptor_extra() = default;
};

// One end of a connection.
struct pipe_end final : descriptor_extra {
    explicit pipe_end(pipes::nature of) noexcept : descriptor_extra(false), nature(of) {}

    struct block {
        std::byte* memory = nullptr;  // the loop's pool's
        std::uint32_t capacity = 0;
        std::uint32_t begin = 0, end = 0;  // the bytes that nobody has taken
        bool empty() const noexcept { return begin == end; }
    };
    static constexpr std::uint32_t read_min = 4 * 1024, piece_max = 64 * 1024;

    const pipes::nature nature;
    block in, out;
    op_tag reading{}, writing{};  // in flight
    std::uint32_t read_size = read_min;  // of the next one: large while the blocks get full
    std::int32_t read_failure = 0, write_failure = 0;
    bool ended = false;  // no more bytes come
    bool gone = false;  // and the peer has closed
    bool end_wanted = false;  // an empty message is to go behind what is under way
};

struct pipe_listener final : descriptor_extra {
    pipe_listener() noexcept : descriptor_extra(true) {}

    struct instance {
        native_handle handle;
        op_tag listening;
    };
    std::wstring name;
    os::descriptor_of_rights rights;
    std::size_t backlog = 1;
    std::vector<instance> waiting;  // for somebody to connect
    std::vector<native_handle> come;  // connected, oldest first
    std::int32_t failure = 0;  // why there is no further instance
};

}  // namespace co_wq::io
