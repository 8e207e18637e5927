// read(2) and write(2) for descriptors that are no sockets.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "io/pipe.hpp"

namespace co_wq::io {

// -1 and errno, as read(2); a terminal that was hung up: ECONNRESET.
ssize_t read_file(const descriptor& entry, void* into, std::size_t size) noexcept;
// -1 and errno, as writev(2); never a SIGPIPE.
ssize_t write_file(const descriptor& entry, const iovec* parts, int count) noexcept;

// What a descriptor that somebody else opened is taken over for; to_both does not ask how it was opened.
enum class file_use : unsigned char { to_read, to_write, to_both };

// As pipe_reader::adopt and share say.
result<socket> adopt_file(event_loop& loop, file_handle file, file_use how);
result<socket> share_file(event_loop& loop, native_handle handle, file_use how);

}  // namespace co_wq::io
