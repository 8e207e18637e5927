// Calls to the file system made on the calling thread, and what the system's structures say.
#pragma once

#include <string_view>
#include <vector>

#include "io/file_request.hpp"

namespace co_wq::io {

// Makes the call, as often as it takes; may block. What came of it is in the request.
void perform_file_call(detail::file_request& request) noexcept;
// What the page cache has of a read, without waiting. True: that is all of it. supported: false when the file system
// has no such read.
bool read_cached(detail::file_request& request, bool& supported) noexcept;
void close_now(native_handle handle) noexcept;

// Of a request that asked for a status, or for entries.
constexpr std::size_t status_bytes = 256;
file_status status_of(const detail::file_request& request) noexcept;
// The other way round, for a simulated system. pack_entry: the bytes it took, 0: no room.
void put_status(detail::file_request& request, const file_status& status) noexcept;
std::size_t pack_entry(bytes into, std::string_view name, file_type type, std::uint64_t inode) noexcept;
// Without "." and "..".
std::vector<directory_entry> entries_of(const detail::file_request& request);

// Where in a path its last name begins; what comes before it, if anything, names the folder.
std::size_t last_name_at(std::string_view path) noexcept;

// How Linux spells what a request asks for.
namespace native {
int folder_of(const detail::file_request& request) noexcept;
int open_flags(const detail::file_request& request) noexcept;
int status_flags(const detail::file_request& request) noexcept;
unsigned status_mask() noexcept;
unsigned rename_flags(const detail::file_request& request) noexcept;
}  // namespace native

}  // namespace co_wq::io
