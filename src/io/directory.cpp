#include "io/directory.hpp"

#include <algorithm>

#include "io/backend/native_files.hpp"
#include "io/file_service.hpp"

namespace co_wq::io {
namespace detail {
namespace {

constexpr std::size_t list_bytes = 64 * 1024;

file_request& listing(descriptor_ref where) {
    CO_WQ_REQUIRE(where.entry, "the folder is open");
    lease block = file_buffers(*where.loop).take(list_bytes);
    file_request& request = request_on(where, file_call::list);
    request.buffer = std::move(block);
    return request;
}

}  // namespace

directory_awaiter::directory_awaiter(descriptor_ref where) : file_awaiter(ops, *where.loop, listing(where)) {}

result<std::vector<directory_entry>> directory_awaiter::await_resume() {
    const result<std::uint32_t> got = take_result();
    if (!got) return std::unexpected(got.error());
    return entries_of(request());
}

}  // namespace detail

task<result<directory>> directory::open(event_loop& loop, std::string path) {
    result<io::file> opened = co_await file_system(loop).open_directory(path);
    if (!opened) co_return std::unexpected(opened.error());
    co_return directory(std::move(*opened));
}

tree_walk::tree_walk(event_loop& loop, std::string root, walk_options options)
    : loop_(loop), root_(std::move(root)), options_(options) {}

bool tree_walk::leads_back(const file_status& found) const noexcept {
    return std::ranges::any_of(
        levels_, [&](const level& one) { return one.device == found.device && one.inode == found.inode; });
}

task<result<void>> tree_walk::read_all(level& into, std::shared_ptr<io::file> folder) {
    const result<file_status> found = co_await folder->status();
    if (!found) co_return std::unexpected(found.error());
    if (leads_back(*found)) co_return fail(errc::too_many_links);
    into.device = found->device;
    into.inode = found->inode;
    for (;;) {
        result<std::vector<directory_entry>> some = co_await detail::directory_awaiter(folder->where());
        if (!some) co_return std::unexpected(some.error());
        if (some->empty()) break;
        std::ranges::move(*some, std::back_inserter(into.left));
    }
    std::ranges::reverse(into.left);
    co_return result<void>{};
}

// Opens the folder and puts it on top of the way down.
task<result<void>> tree_walk::enter(walk_entry& what) {
    const level& above = levels_.back();
    const std::string name = what.path.substr(above.path.empty() ? 0 : above.path.size() + 1);
    level fresh;
    fresh.path = what.path;
    fresh.anchor = above.anchor;
    fresh.from_anchor = above.from_anchor.empty() ? name : above.from_anchor + '/' + name;
    const links how = options_.follow_links ? links::follow : links::no_follow;
    result<io::file> opened = co_await file_system(loop_, *fresh.anchor).open_directory(fresh.from_anchor, how);
    if (!opened) co_return std::unexpected(opened.error());
    auto folder = std::make_shared<io::file>(std::move(*opened));
    const result<void> read = co_await read_all(fresh, folder);
    if (!read) co_return read;
    const auto levels = static_cast<std::size_t>(std::ranges::count(fresh.from_anchor, '/')) + 1;
    if (levels >= anchor_levels || fresh.from_anchor.size() > anchor_bytes) {
        fresh.anchor = std::move(folder);
        fresh.from_anchor.clear();
    }
    levels_.push_back(std::move(fresh));
    co_return result<void>{};
}

task<result<std::optional<walk_entry>>> tree_walk::next() {
    if (!started_) {
        level top;
        result<io::file> opened = co_await file_system(loop_).open_directory(root_);
        if (!opened) co_return std::unexpected(opened.error());
        top.anchor = std::make_shared<io::file>(std::move(*opened));
        const result<void> read = co_await read_all(top, top.anchor);
        if (!read) co_return std::unexpected(read.error());
        levels_.push_back(std::move(top));
        started_ = true;
    }
    while (!levels_.empty() && levels_.back().left.empty()) levels_.pop_back();
    if (levels_.empty()) co_return std::optional<walk_entry>{};
    const std::size_t at = levels_.size() - 1;
    const level& here = levels_[at];
    const directory_entry entry = here.left.back();  // it stays there until it is told: this frame may be destroyed
    walk_entry found;
    found.path = here.path.empty() ? entry.name : here.path + '/' + entry.name;
    found.type = entry.type;
    found.inode = entry.inode;
    found.depth = levels_.size();
    const bool may_be_folder =
        entry.type == file_type::directory || (options_.follow_links && entry.type == file_type::symbolic_link);
    if (may_be_folder && found.depth < options_.depth_max) {
        const result<void> entered = co_await enter(found);
        const bool ended = !entered && (entered.error() == errc::stopped || entered.error() == errc::timed_out);
        if (ended) co_return std::unexpected(entered.error());  // the next call comes back to it
        // a link to something else, or to nothing, or a folder that was replaced meanwhile
        const bool no_folder = !entered && entry.type == file_type::symbolic_link &&
                               (entered.error() == errc::not_directory || entered.error() == errc::not_found);
        if (!entered && !no_folder) found.failure = entered.error();
    }
    levels_[at].left.pop_back();
    co_return std::optional<walk_entry>(std::move(found));
}

}  // namespace co_wq::io
