// file_system: calls on paths.
//
// For:        status, rename, remove, folders. Opening: file::open; folders and walks: io/directory.hpp.
// Guarantees: nothing waits for a disk on the loop's thread. Paths are bytes, copied at the call.
// Threads:    the loop's own. Lifetime: any; a destroyed frame leaves its call behind, which then happened or did
//             not.
// Errors:     those of the system, by name (base/error.hpp); not_found for an empty path, invalid_argument for one
//             with a zero byte in it, name_too_long from 4,096 bytes on.
// Sources:    statx(2), rename(2), unlink(2), mkdir(2), rmdir(2).
//
//   const io::file_system files(loop);
//   auto found = co_await files.status("data");           // found->size_bytes
//   auto moved = co_await files.rename("data.new", "data");
#pragma once

#include "io/file.hpp"

namespace co_wq::io {

enum class links : std::uint8_t { follow, no_follow };

class file_system {
public:
    explicit file_system(event_loop& loop) noexcept : loop_(&loop) {}
    // Relative paths start from this folder, which must be open at each call.
    file_system(event_loop& loop, const file& folder) noexcept : loop_(&loop), folder_(folder.where()) {}

    // no_follow: of a symbolic link itself.
    [[nodiscard]] detail::file_status_awaiter status(std::string_view path, links how = links::follow) const;
    [[nodiscard]] file_open_awaiter open(std::string_view path, open_options options = {}) const;
    // Atomic: whoever looks finds the old file or the new one. keep_existing: already_exists instead of replacing.
    [[nodiscard]] detail::file_call_awaiter rename(std::string_view from, std::string_view to,
                                                   bool keep_existing = false) const;
    // A file, or a symbolic link itself.
    [[nodiscard]] detail::file_call_awaiter remove(std::string_view path) const;
    // mode: less the umask.
    [[nodiscard]] detail::file_call_awaiter make_directory(std::string_view path, std::uint32_t mode = 0777) const;
    [[nodiscard]] detail::file_call_awaiter remove_directory(std::string_view path) const;
    // For reading its entries, and as the folder that paths start from.
    [[nodiscard]] file_open_awaiter open_directory(std::string_view path, links how = links::follow) const;

private:
    detail::file_request& request(file_call call, std::initializer_list<std::string_view> paths,
                                  std::size_t room = 0) const;
    event_loop* loop_;
    descriptor_ref folder_;
};

}  // namespace co_wq::io
