// Calls to the file system that the ring takes.
//
// Kernel facts: a call that may wait for a disk, a name or a lock goes to a worker of the kernel's by itself (statx,
// rename, unlink, mkdir, fsync, ftruncate, fallocate), or when it would have to wait (read, write). Two are sent there
// by us: close, because the last one of a file runs on the thread that makes it and may free gigabytes; and open,
// because the kernel tries it at once when the path is cached, and then the file system's own open (of a network, say)
// may wait, and a fifo would be opened without its other end.
#include <fcntl.h>
#include <liburing.h>

#include "io/backend/native_files.hpp"
#include "io/backend/reactor_uring.hpp"
#include "io/backend/uring_probe.hpp"

namespace co_wq::io {
namespace {

using detail::file_request;

// A disk that has some of them works while the loop's turn goes on: with 32 reads under way all the time, one
// submission at the end of each turn leaves it idle between (bench/random_reads: a sixth fewer reads).
constexpr unsigned submit_at = 8;

constexpr int op_ftruncate = 55;  // since Linux 6.9; liburing 2.3 has no name for it

constexpr std::uint32_t bit(file_call call) noexcept { return 1u << static_cast<unsigned>(call); }

struct needed {
    file_call call;
    int operation;
};
constexpr needed table[] = {{file_call::open, IORING_OP_OPENAT},
                            {file_call::close, IORING_OP_CLOSE},
                            {file_call::read, IORING_OP_READ},
                            {file_call::write, IORING_OP_WRITE},
                            {file_call::sync, IORING_OP_FSYNC},
                            {file_call::sync_data, IORING_OP_FSYNC},
                            {file_call::status, IORING_OP_STATX},
                            {file_call::truncate, op_ftruncate},
                            {file_call::allocate, IORING_OP_FALLOCATE},
                            {file_call::rename, IORING_OP_RENAMEAT},
                            {file_call::remove, IORING_OP_UNLINKAT},
                            {file_call::remove_directory, IORING_OP_UNLINKAT},
                            {file_call::make_directory, IORING_OP_MKDIRAT}};

}  // namespace

std::uint32_t uring_file_calls(io_uring& ring) noexcept {
    io_uring_probe* const probe = io_uring_get_probe_ring(&ring);
    if (!probe) return 0;
    std::uint32_t calls = 0;
    for (const needed& one : table)
        if (io_uring_opcode_supported(probe, one.operation)) calls |= bit(one.call);
    io_uring_free_probe(probe);
    return calls;
}

bool reactor_uring::takes_file(file_call call) const noexcept { return (features_.file_calls & bit(call)) != 0; }

void reactor_uring::start_file(op_slot& slot) noexcept {
    auto& request = *static_cast<file_request*>(slot.io.data);
    io_uring_sqe& sqe = next_sqe();
    const int folder = native::folder_of(request);
    const auto left = static_cast<unsigned>(request.length - request.done);
    const std::uint64_t offset = request.offset + request.done;
    switch (request.call) {
        case file_call::open:
            io_uring_prep_openat(&sqe, folder, request.path(0), native::open_flags(request), request.mode);
            sqe.flags |= IOSQE_ASYNC;
            break;
        case file_call::close:
            io_uring_prep_close(&sqe, request.handle);
            sqe.flags |= IOSQE_ASYNC;
            break;
        case file_call::read: io_uring_prep_read(&sqe, request.handle, request.next_byte(), left, offset); break;
        case file_call::write: io_uring_prep_write(&sqe, request.handle, request.next_byte(), left, offset); break;
        case file_call::sync: io_uring_prep_fsync(&sqe, request.handle, 0); break;
        case file_call::sync_data: io_uring_prep_fsync(&sqe, request.handle, IORING_FSYNC_DATASYNC); break;
        case file_call::status:
            io_uring_prep_statx(&sqe, folder, request.path(0), native::status_flags(request), native::status_mask(),
                                reinterpret_cast<struct statx*>(request.room()));
            break;
        case file_call::truncate:
            io_uring_prep_rw(op_ftruncate, &sqe, request.handle, nullptr, 0, request.offset);
            break;
        case file_call::allocate:
            io_uring_prep_fallocate(&sqe, request.handle, 0, static_cast<off_t>(request.offset),
                                    static_cast<off_t>(request.length));
            break;
        case file_call::rename:
            io_uring_prep_renameat(&sqe, folder, request.path(0), folder, request.path(1),
                                   native::rename_flags(request));
            break;
        case file_call::remove: io_uring_prep_unlinkat(&sqe, folder, request.path(0), 0); break;
        case file_call::remove_directory: io_uring_prep_unlinkat(&sqe, folder, request.path(0), AT_REMOVEDIR); break;
        case file_call::make_directory: io_uring_prep_mkdirat(&sqe, folder, request.path(0), request.mode); break;
        default: CO_WQ_ASSERT(false, "the ring is given only calls that it takes");
    }
    io_uring_sqe_set_data64(&sqe, slot.tag().to_u64());
    const bool moves_data = request.call == file_call::read || request.call == file_call::write;
    // what the kernel does not take now, the loop's wait hands over
    if (moves_data && io_uring_sq_ready(ring_.get()) >= submit_at) io_uring_submit(ring_.get());
}

}  // namespace co_wq::io
