// What the file calls take and give: options, status, entries of a directory.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace co_wq::io {

enum class file_access : std::uint8_t { read, write, read_write };

enum class file_creation : std::uint8_t {
    never,       // not_found when there is none
    if_missing,
    must,        // already_exists when there is one, and be it a symbolic link
};

struct open_options {
    file_access access = file_access::read;
    file_creation creation = file_creation::never;
    // Of a file that is made, less the umask.
    std::uint32_t mode = 0666;
    // What was in the file is gone; needs write access.
    bool truncate = false;
    // Past the page cache: offsets, sizes and memory have to be multiples of the device's block (file_status has them;
    // blocks of file_buffers() are aligned to pages). invalid_argument: they are not, or the file system cannot.
    bool direct = false;
    // A symbolic link as the last part of the path is not followed but refused: too_many_links.
    bool no_follow = false;
};

enum class file_type : std::uint8_t {
    unknown,
    regular,
    directory,
    symbolic_link,
    character_device,
    block_device,
    fifo,
    socket,
};

struct file_time {
    std::int64_t seconds = 0;  // since 1970, UTC
    std::uint32_t nanoseconds = 0;
    friend auto operator<=>(const file_time&, const file_time&) = default;
};

struct file_status {
    file_type type = file_type::unknown;
    std::uint32_t mode = 0;  // permissions and set-id bits, 07777
    std::uint64_t size_bytes = 0;
    std::uint64_t stored_bytes = 0;  // less than the size: it has holes, or is packed
    std::uint64_t device = 0, inode = 0;  // together: which file it is
    std::uint32_t links = 0;
    std::uint32_t user = 0, group = 0;
    file_time modified{}, changed{}, born{};  // born: all zero where the file system does not know
    // For direct access: of the memory, and of offsets and sizes; 0: the system does not say (before Linux 6.1).
    std::uint32_t direct_memory_alignment = 0, direct_offset_alignment = 0;

    bool same_file(const file_status& other) const noexcept { return device == other.device && inode == other.inode; }
};

struct directory_entry {
    std::string name;  // as the file system has it: any bytes but '/' and 0
    file_type type = file_type::unknown;
    std::uint64_t inode = 0;
};

}  // namespace co_wq::io
