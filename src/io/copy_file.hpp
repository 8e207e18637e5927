// copy_file: a file copied whole, or not at all.
//
// For:        copying regular files, of any size.
// Guarantees: the destination's name stands for its old file, or nothing, until the copy is complete, and for the
//             whole copy from then on: bytes go to a file beside it with a name of its own (".NAME.co_wq-NUMBER"),
//             which is removed when the copy fails, is cancelled or its frame is destroyed (what a crash leaves has
//             that name). A source that is changed while it is read is told as `changed`, and the copy is given up:
//             its size and time of change are compared (a change in the same tick of the file system's clock as one
//             before the copy is not seen). A source that is renamed or replaced is copied as it was opened. Holes
//             stay holes. The copy has the source's permissions, not its owner, set-id bits or times. A symbolic link
//             as the destination is replaced, not followed; one as the source is followed.
// How:        copy_file_range(2) on a thread, in chunks, so the bytes do not come through the program, and a file
//             system that can share blocks does; else through a block of file_buffers().
// Threads:    the loop's own; progress is called there.
// Errors:     those of the calls; changed; is_directory, not_supported: the source is no regular file;
//             invalid_argument: source and destination are the same file.
//
//   io::copy_options how;
//   how.progress = [](io::copy_progress at) { draw(at.copied_bytes, at.size_bytes); };
//   auto copied = co_await io::copy_file(loop, "a", "b", how);
#pragma once

#include <functional>

#include "io/file_system.hpp"

namespace co_wq::io {

struct copy_progress {
    std::uint64_t copied_bytes = 0;
    std::uint64_t size_bytes = 0;  // of the source when the copy began
};

struct copy_options {
    copy_options() noexcept {}  // no aggregate: g++ 12 destroys those twice beside a co_await

    // already_exists instead of replacing.
    bool keep_existing = false;
    // Data and name are on the disk when the copy is done.
    bool durable = false;
    // Between two calls of progress, and at most between a cancel and its effect.
    std::uint64_t chunk_bytes = 64 * 1024 * 1024;
    // After each chunk; does not throw.
    std::function<void(copy_progress)> progress{};
};

// How many bytes it has.
[[nodiscard]] task<result<std::uint64_t>> copy_file(event_loop& loop, std::string from, std::string to,
                                                    copy_options options = {});

namespace detail {

// Moves bytes from file to file at the same offset: how many; 0: the source ends there.
class file_transfer_awaiter final : public file_awaiter {
public:
    file_transfer_awaiter(const file& from, const file& to, std::uint64_t offset, std::uint64_t size, bool holes);
    result<std::uint64_t> await_resume() noexcept;

private:
    static constexpr awaiter_ops ops{"file transfer", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail
}  // namespace co_wq::io
