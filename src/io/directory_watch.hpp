// directory_watch: what happens to files and folders, as values.
//
// For:        configuration that is read again when it changes, spool folders, file browsers.
// Guarantees: events come in the order the system saw them, each once, with the names as bytes. Events that were
//             dropped because nobody took them (16,384 wait by default, fs.inotify.max_queued_events) are told: one
//             event with change::overflow stands for them. A wait that is cancelled or destroyed takes none.
// Requires:   a file system of this machine: changes that other machines make (NFS) are not seen.
// Not done:   folders below a watched one are not watched by themselves: add them when change::created or
//             change::moved_to says that one came, then read it, because files may have come in between.
// Threads:    the loop's own. Lifetime: movable; a wait holds what it needs and ends with `closed` when the watch is
//             closed or destroyed.
// Errors:     not_found, permission_denied: of the path. limit_exceeded: fs.inotify.max_user_watches of them are under
//             way for this user (ENOSPC), or the system has no memory for another. too_many_files, of open:
//             RLIMIT_NOFILE or fs.inotify.max_user_instances (128 by default). limit_of() names the limit.
//             not_supported: simulated.
// Source:     inotify(7).
//
//   result<io::directory_watch> watch = io::directory_watch::open(loop);
//   result<int> etc = watch->add("/etc/app", io::change::closed_written | io::change::moved_to);
//   result<io::file_event> seen = co_await watch->next();    // seen->name
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "io/socket.hpp"
#include "task/task.hpp"

namespace co_wq::io {

// Bits of the system's own values.
enum class change : std::uint32_t {
    none = 0,
    // what can be asked for: of a file, or of those in a folder
    accessed = 0x1,
    modified = 0x2,
    attributes = 0x4,      // rights, times, number of links
    closed_written = 0x8,  // by somebody who could have written: it is as it should be
    closed_unwritten = 0x10,
    opened = 0x20,
    moved_from = 0x40,  // the old name; both halves of a rename have one cookie
    moved_to = 0x80,
    created = 0x100,
    removed = 0x200,
    self_removed = 0x400,  // what is watched itself
    self_moved = 0x800,
    all = 0xfff,
    content = closed_written | moved_from | moved_to | created | removed | self_removed | self_moved,
    // what comes unasked
    unmounted = 0x2000,
    overflow = 0x4000,  // events were dropped; of no watch
    watch_gone = 0x8000,  // the watch's last event: it was removed, or its file or file system is gone
};
constexpr change operator|(change left, change right) noexcept {
    return static_cast<change>(static_cast<std::uint32_t>(left) | static_cast<std::uint32_t>(right));
}

struct file_event {
    int watch = -1;           // what add returned; -1: of none (overflow)
    change what = change::none;
    bool folder = false;      // it happened to a folder
    std::uint32_t cookie = 0;  // the same for moved_from and moved_to of one rename; else 0
    std::string name{};       // in the watched folder, 1 to 255 bytes; empty: the watched thing itself

    bool is(change one) const noexcept {
        return (static_cast<std::uint32_t>(what) & static_cast<std::uint32_t>(one)) != 0;
    }
};

struct watch_options {
    bool only_folders = false;  // anything else is refused (ENOTDIR)
    bool follow_link = true;    // of a path that is a symbolic link itself
    bool once = false;          // the first event ends the watch
};

class directory_watch {
public:
    directory_watch() noexcept = default;
    static result<directory_watch> open(event_loop& loop);
    directory_watch(directory_watch&&) noexcept = default;
    directory_watch& operator=(directory_watch&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::move(other.state_);
        }
        return *this;
    }
    ~directory_watch() { close(); }

    bool is_open() const noexcept { return state_ != nullptr; }
    // The watch's number, which events carry. A second watch of the same file (by whatever path) is the first one, with
    // the new changes in place of the old.
    result<int> add(const std::string& path, change wanted = change::content, watch_options options = {}) const;
    // Its events that have happened already still come, and change::watch_gone behind them.
    result<void> remove(int watch) const noexcept;
    // One task may wait at a time.
    [[nodiscard]] task<result<file_event>> next() const;
    void close() noexcept;

    // The system's limit behind an error of open or add; empty: none.
    static const char* limit_of(const error& failure) noexcept;

private:
    struct state;
    explicit directory_watch(std::shared_ptr<state> of) noexcept : state_(std::move(of)) {}
    static task<result<file_event>> next_of(std::shared_ptr<state> from);
    std::shared_ptr<state> state_;
};

}  // namespace co_wq::io
