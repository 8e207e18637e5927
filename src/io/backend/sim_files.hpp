// sim_files: a file system in memory, for simulated loops: folders and files, with holes and a size, without links.
//
// Calls are cut short, interrupted and refused as the seed decides; when they happen is the reactor's matter.
// Threads:    one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/backend/sim_clock.hpp"
#include "io/file_request.hpp"

namespace co_wq::io {

struct sim_options;

class sim_files {
public:
    sim_files(sim_clock& clock, const sim_options& options);

    // One system call of the request: a count or a negative errno.
    std::int64_t call(detail::file_request& request);
    std::size_t open() const noexcept { return open_; }

private:
    static constexpr native_handle first_number = 2'000'000;
    static constexpr std::size_t page_bytes = 4096;

    struct node {
        file_type type = file_type::regular;
        std::uint32_t mode = 0;
        std::uint64_t inode = 0;
        std::uint64_t size = 0;
        std::map<std::uint64_t, std::vector<std::byte>> pages;  // by number; what is not there is a hole
        std::map<std::string, std::shared_ptr<node>, std::less<>> entries;
        std::weak_ptr<node> above;
        std::uint32_t links = 1;
        file_time modified{}, changed{}, born{};
    };
    using node_pointer = std::shared_ptr<node>;
    struct opened {
        node_pointer what;
        file_access access = file_access::read;
        std::string listed;   // the last entry that was told
        bool listing = false;
    };
    // Where a path leads: the folder, the last name in it, and what is there.
    struct place {
        int failure = 0;
        node_pointer folder;
        std::string name;
        node_pointer found;
    };

    opened* find(native_handle handle) noexcept;
    place resolve(native_handle folder, std::string_view path);
    node_pointer make(file_type type, std::uint32_t mode);
    void touch(node& one, bool contents) noexcept;
    std::uint64_t cut_short(std::uint64_t size) noexcept;
    void drop_pages(node& one, std::uint64_t size);
    std::size_t read_from(const node& from, std::uint64_t offset, std::byte* into, std::size_t size) const;
    std::int64_t write_to(node& to, std::uint64_t offset, const std::byte* from, std::size_t size);

    std::int64_t open_file(detail::file_request& request);
    std::int64_t close_file(native_handle handle);
    std::int64_t move_bytes(detail::file_request& request);
    std::int64_t transfer(detail::file_request& request);
    std::int64_t resize(detail::file_request& request);
    std::int64_t status(detail::file_request& request);
    std::int64_t rename(detail::file_request& request);
    std::int64_t remove(detail::file_request& request, bool folders);
    std::int64_t make_directory(detail::file_request& request);
    std::int64_t list(detail::file_request& request);

    sim_clock& clock_;
    const sim_options& options_;
    node_pointer root_;
    std::vector<opened> table_;  // empty place: no node
    std::size_t open_ = 0;
    std::size_t pages_ = 0;      // all files'
    std::uint64_t inodes_ = 1;
};

}  // namespace co_wq::io
