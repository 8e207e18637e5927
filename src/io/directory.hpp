// directory: the entries of a folder; tree_walk: everything below one.
//
// For:        listings, searches, sizes, removal of trees.
// Guarantees: a folder is read in blocks off the loop's thread. Entries come in the file system's order; what is made
//             or removed meanwhile may be seen or not. Names are bytes as they are stored, UTF-8 or not.
// Threads:    the loop's own.
// Lifetime:   as io::file. A folder is read by one call at a time; a second one would get other entries.
// Errors:     as file_system; not_directory.
// Sources:    getdents64(2), openat(2), statx(2).
//
//   auto folder = co_await io::directory::open(loop, ".");
//   for (;;) {
//       auto some = co_await folder->next();
//       if (!some || some->empty()) break;         // an error, or the end
//       for (const io::directory_entry& one : *some) use(one);
//   }
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/file_system.hpp"

namespace co_wq::io {

namespace detail {

class directory_awaiter final : public file_awaiter {
public:
    explicit directory_awaiter(descriptor_ref where);
    // None: the end.
    result<std::vector<directory_entry>> await_resume();

private:
    static constexpr awaiter_ops ops{"directory read", nullptr, nullptr, nullptr, &describe};
};

}  // namespace detail

class directory {
public:
    explicit directory(io::file folder) noexcept : file_(std::move(folder)) {}
    [[nodiscard]] static task<result<directory>> open(event_loop& loop, std::string path);

    // Some entries, in a block of 64 KiB at most; none: the end.
    [[nodiscard]] detail::directory_awaiter next() const { return detail::directory_awaiter(file_.where()); }
    // For calls on what is in it (file_system).
    const io::file& file() const noexcept { return file_; }

private:
    io::file file_;
};

struct walk_options {
    // Folders behind symbolic links, too. One that leads back to a folder above it is told, and not entered again.
    bool follow_links = false;
    // Levels below the root; its own entries are on level 1.
    std::size_t depth_max = SIZE_MAX;
};

struct walk_entry {
    std::string path;  // below the root, which is not part of it
    file_type type = file_type::unknown;
    std::uint64_t inode = 0;
    std::size_t depth = 0;
    // The folder could not be read (permission_denied, say), or leads back (too_many_links): nothing below it comes.
    std::optional<error> failure;
};

// tree_walk: a folder and all below it, each folder before what is in it.
//
// Guarantees: ends, whatever links do. A folder that cannot be read is told, and the walk goes on. Paths may be longer
//             than the system takes, and trees deeper: a walk opens folders from where it is, and holds about one
//             descriptor for each 32 levels it is down. A folder that is replaced by a link while it walks is not safe
//             from being followed there. One call of next() at a time.
// Memory:     the entries of the folders that lie on the way down.
//
//   io::tree_walk walk(loop, "src");
//   for (;;) {
//       result<std::optional<io::walk_entry>> one = co_await walk.next();
//       if (!one || !*one) break;                  // the root cannot be read; the end
//   }
class tree_walk {
public:
    tree_walk(event_loop& loop, std::string root, walk_options options = {});
    tree_walk(const tree_walk&) = delete;
    tree_walk& operator=(const tree_walk&) = delete;

    // The next entry; nothing: the end. Errors: the root's, stopped, timed_out.
    [[nodiscard]] task<result<std::optional<walk_entry>>> next();

private:
    // A folder on the way down, with what of it is still to come.
    struct level {
        std::shared_ptr<io::file> anchor;  // an open folder at or above it
        std::string from_anchor;  // empty: it is the anchor
        std::string path;  // for the caller
        std::vector<directory_entry> left;  // last one first
        std::uint64_t device = 0, inode = 0;
    };
    static constexpr std::size_t anchor_levels = 32;
    static constexpr std::size_t anchor_bytes = 3300;  // a path may have 4,095, and a name 765

    task<result<void>> enter(walk_entry& what);
    task<result<void>> read_all(level& into, std::shared_ptr<io::file> folder);
    bool leads_back(const file_status& found) const noexcept;

    event_loop& loop_;
    const std::string root_;
    const walk_options options_;
    std::vector<level> levels_;
    bool started_ = false;
};

}  // namespace co_wq::io
