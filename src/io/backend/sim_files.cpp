#include "io/backend/sim_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/backend/native_files.hpp"
#include "io/backend/sim_network.hpp"

namespace co_wq::io {

using detail::file_request;

sim_files::sim_files(sim_clock& clock, const sim_options& options) : clock_(clock), options_(options) {
    root_ = make(file_type::directory, 0755);
    root_->above = root_;
}

// ---- nodes and names

sim_files::node_pointer sim_files::make(file_type type, std::uint32_t mode) {
    auto made = std::make_shared<node>();
    made->type = type;
    made->mode = mode & 07777;
    made->inode = inodes_++;
    touch(*made, true);
    made->born = made->changed;
    return made;
}

void sim_files::touch(node& one, bool contents) noexcept {
    const std::int64_t now = clock_.now().time_since_epoch().count();
    one.changed = {now / 1'000'000'000, static_cast<std::uint32_t>(now % 1'000'000'000)};
    if (contents) one.modified = one.changed;
}

sim_files::opened* sim_files::find(native_handle handle) noexcept {
    const auto number = static_cast<std::size_t>(handle - first_number);
    if (handle < first_number || number >= table_.size() || !table_[number].what) return nullptr;
    return &table_[number];
}

sim_files::place sim_files::resolve(native_handle folder, std::string_view path) {
    place at;
    node_pointer here = root_;
    if (folder != no_handle && !path.starts_with('/')) {
        const opened* from = find(folder);
        if (!from) return {.failure = -EBADF, .folder = {}, .name = {}, .found = {}};
        here = from->what;
    }
    at.found = here;
    at.folder = here;
    while (!path.empty()) {
        const std::size_t end = std::min(path.find('/'), path.size());
        const std::string_view name = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (name.empty() || name == ".") continue;
        if (!at.found) return {.failure = -ENOENT, .folder = {}, .name = {}, .found = {}};
        if (at.found->type != file_type::directory) return {.failure = -ENOTDIR, .folder = {}, .name = {}, .found = {}};
        if (name.size() > 255) return {.failure = -ENAMETOOLONG, .folder = {}, .name = {}, .found = {}};
        at.folder = at.found;
        at.name = name;
        if (name == "..") {
            at.found = at.folder->above.lock();
            continue;
        }
        const auto entry = at.folder->entries.find(name);
        at.found = entry == at.folder->entries.end() ? nullptr : entry->second;
    }
    return at;
}

std::uint64_t sim_files::cut_short(std::uint64_t size) noexcept {
    return size > 1 && clock_.random().chance(options_.short_io) ? 1 + clock_.random().below(size - 1) : size;
}

// ---- bytes

std::size_t sim_files::read_from(const node& from, std::uint64_t offset, std::byte* into, std::size_t size) const {
    if (offset >= from.size) return 0;
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, from.size - offset));
    for (std::size_t done = 0; done < size;) {
        const std::uint64_t at = offset + done;
        const std::size_t in_page = at % page_bytes;
        const std::size_t part = std::min(size - done, page_bytes - in_page);
        const auto page = from.pages.find(at / page_bytes);
        if (page == from.pages.end()) {
            std::memset(into + done, 0, part);
        } else {
            std::memcpy(into + done, page->second.data() + in_page, part);
        }
        done += part;
    }
    return size;
}

std::int64_t sim_files::write_to(node& to, std::uint64_t offset, const std::byte* from, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const std::uint64_t at = offset + done;
        const std::size_t in_page = at % page_bytes;
        const std::size_t part = std::min(size - done, page_bytes - in_page);
        auto page = to.pages.find(at / page_bytes);
        if (page == to.pages.end()) {
            if (pages_ >= options_.disk_pages) break;
            ++pages_;
            page = to.pages.emplace(at / page_bytes, std::vector<std::byte>(page_bytes)).first;
        }
        std::memcpy(page->second.data() + in_page, from + done, part);
        done += part;
        to.size = std::max(to.size, at + part);
    }
    if (done > 0) touch(to, true);
    return done == 0 && size > 0 ? -ENOSPC : static_cast<std::int64_t>(done);
}

void sim_files::drop_pages(node& one, std::uint64_t size) {
    const auto first = one.pages.lower_bound((size + page_bytes - 1) / page_bytes);
    pages_ -= static_cast<std::size_t>(std::distance(first, one.pages.end()));
    one.pages.erase(first, one.pages.end());
    const auto last = size % page_bytes == 0 ? one.pages.end() : one.pages.find(size / page_bytes);
    if (last != one.pages.end()) std::fill(last->second.begin() + size % page_bytes, last->second.end(), std::byte{0});
}

std::int64_t sim_files::move_bytes(file_request& request) {
    const opened* on = find(request.handle);
    if (!on) return -EBADF;
    const bool reading = request.call == file_call::read;
    if (on->access == (reading ? file_access::write : file_access::read)) return -EBADF;
    if (on->what->type == file_type::directory) return -EISDIR;
    const std::uint64_t offset = request.offset + request.done;
    const auto size = static_cast<std::size_t>(cut_short(request.length - request.done));
    if (!reading) return write_to(*on->what, offset, request.next_byte(), size);
    return static_cast<std::int64_t>(read_from(*on->what, offset, request.next_byte(), size));
}

std::int64_t sim_files::transfer(file_request& request) {
    const opened* from = find(request.handle);
    const opened* to = find(request.other);
    if (!from || !to || to->access == file_access::read) return -EBADF;
    if (from->what->type == file_type::directory) return -EISDIR;
    const bytes block = request.buffer.block();
    const std::uint64_t offset = request.offset + request.done;
    const std::uint64_t most = std::min<std::uint64_t>(request.length - request.done, block.size());
    const std::size_t got = read_from(*from->what, offset, block.data(), static_cast<std::size_t>(cut_short(most)));
    return write_to(*to->what, offset, block.data(), got);
}

std::int64_t sim_files::resize(file_request& request) {
    const opened* on = find(request.handle);
    if (!on || on->access == file_access::read) return -EINVAL;
    node& what = *on->what;
    if (request.call == file_call::truncate) {
        drop_pages(what, request.offset);
        what.size = request.offset;
    } else {
        const std::uint64_t wanted = (request.length + page_bytes - 1) / page_bytes;
        if (wanted + pages_ > options_.disk_pages) return -ENOSPC;
        what.size = std::max(what.size, request.offset + request.length);
    }
    touch(what, true);
    return 0;
}

// ---- names

std::int64_t sim_files::open_file(file_request& request) {
    const place at = resolve(request.handle, request.path(0));
    const open_options& how = request.opening;
    if (at.failure) return at.failure;
    node_pointer what = at.found;
    if (!what && how.creation == file_creation::never) return -ENOENT;
    if (what && how.creation == file_creation::must) return -EEXIST;
    const bool folder = what && what->type == file_type::directory;
    if (what && request.folder && !folder) return -ENOTDIR;
    if (folder && (how.access != file_access::read || how.creation != file_creation::never)) return -EISDIR;
    if (clock_.random().chance(options_.exhausted)) return -EMFILE;
    if (!what) {
        what = make(file_type::regular, request.mode);
        at.folder->entries.emplace(at.name, what);
        touch(*at.folder, true);
    } else if (how.truncate) {
        drop_pages(*what, 0);
        what->size = 0;
        touch(*what, true);
    }
    auto free = std::find_if(table_.begin(), table_.end(), [](const opened& one) { return !one.what; });
    if (free == table_.end()) free = table_.emplace(table_.end());
    *free = {.what = what, .access = how.access, .listed = {}, .listing = false};
    ++open_;
    return first_number + (free - table_.begin());
}

std::int64_t sim_files::close_file(native_handle handle) {
    opened* on = find(handle);
    if (!on) return -EBADF;
    const node_pointer what = std::exchange(on->what, nullptr);
    --open_;
    if (what->links == 0 && what.use_count() == 1) drop_pages(*what, 0);
    return 0;
}

std::int64_t sim_files::status(file_request& request) {
    node_pointer what;
    if (*request.path(0) == 0) {
        const opened* on = find(request.handle);
        if (!on) return -EBADF;
        what = on->what;
    } else {
        const place at = resolve(request.handle, request.path(0));
        if (at.failure) return at.failure;
        what = at.found;
    }
    if (!what) return -ENOENT;
    file_status told;
    told.type = what->type;
    told.mode = what->mode;
    told.size_bytes = what->size;
    told.stored_bytes = what->pages.size() * page_bytes;
    told.device = 1;
    told.inode = what->inode;
    told.links = what->links;
    told.modified = what->modified;
    told.changed = what->changed;
    told.born = what->born;
    put_status(request, told);
    return 0;
}

std::int64_t sim_files::rename(file_request& request) {
    const place from = resolve(request.handle, request.path(0));
    const place to = resolve(request.handle, request.path(1));
    if (from.failure || to.failure) return from.failure ? from.failure : to.failure;
    if (!from.found) return -ENOENT;
    if (from.name.empty() || to.name.empty()) return -EBUSY;
    if (to.found && request.flag) return -EEXIST;
    if (to.found == from.found) return 0;
    const bool folder = from.found->type == file_type::directory;
    for (node_pointer above = to.folder; folder; above = above->above.lock()) {
        if (above == from.found) return -EINVAL;  // below itself
        if (above == root_) break;
    }
    if (to.found) {
        const bool over_folder = to.found->type == file_type::directory;
        if (over_folder != folder) return over_folder ? -EISDIR : -ENOTDIR;
        if (!to.found->entries.empty()) return -ENOTEMPTY;
        to.found->links = 0;
        if (to.found.use_count() == 2) drop_pages(*to.found, 0);  // its entry, and this
    }
    from.folder->entries.erase(from.name);
    to.folder->entries.insert_or_assign(to.name, from.found);
    from.found->above = to.folder;
    touch(*from.folder, true);
    touch(*to.folder, true);
    return 0;
}

std::int64_t sim_files::remove(file_request& request, bool folders) {
    const place at = resolve(request.handle, request.path(0));
    if (at.failure) return at.failure;
    if (!at.found) return -ENOENT;
    const bool is_folder = at.found->type == file_type::directory;
    if (is_folder != folders) return is_folder ? -EISDIR : -ENOTDIR;
    if (at.name.empty()) return -EBUSY;
    if (!at.found->entries.empty()) return -ENOTEMPTY;
    at.found->links = 0;
    at.folder->entries.erase(at.name);
    if (at.found.use_count() == 1) drop_pages(*at.found, 0);
    touch(*at.folder, true);
    return 0;
}

std::int64_t sim_files::make_directory(file_request& request) {
    const place at = resolve(request.handle, request.path(0));
    if (at.failure) return at.failure;
    if (at.found) return -EEXIST;
    const node_pointer made = make(file_type::directory, request.mode);
    made->above = at.folder;
    at.folder->entries.emplace(at.name, made);
    touch(*at.folder, true);
    return 0;
}

std::int64_t sim_files::list(file_request& request) {
    opened* on = find(request.handle);
    if (!on) return -EBADF;
    if (on->what->type != file_type::directory) return -ENOTDIR;
    const auto& all = on->what->entries;
    std::size_t used = 0;
    for (auto one = on->listing ? all.upper_bound(on->listed) : all.begin(); one != all.end(); ++one) {
        const std::size_t size =
            pack_entry(request.buffer.block().subspan(used), one->first, one->second->type, one->second->inode);
        if (size == 0) break;
        used += size;
        on->listing = true;
        on->listed = one->first;
        if (clock_.random().chance(options_.short_io)) break;
    }
    return static_cast<std::int64_t>(used);
}

std::int64_t sim_files::call(file_request& request) {
    clock_.note("file", static_cast<std::int64_t>(request.call), static_cast<std::int64_t>(request.done));
    if (request.call != file_call::close && clock_.random().chance(options_.interrupted)) return -EINTR;
    switch (request.call) {
        case file_call::open: return open_file(request);
        case file_call::close: return close_file(request.handle);
        case file_call::read:
        case file_call::write: return move_bytes(request);
        case file_call::sync:
        case file_call::sync_data: return find(request.handle) ? 0 : -EBADF;
        case file_call::status: return status(request);
        case file_call::truncate:
        case file_call::allocate: return resize(request);
        case file_call::set_mode: {
            opened* on = find(request.handle);
            if (!on) return -EBADF;
            on->what->mode = request.mode;
            touch(*on->what, false);
            return 0;
        }
        case file_call::rename: return rename(request);
        case file_call::remove: return remove(request, false);
        case file_call::remove_directory: return remove(request, true);
        case file_call::make_directory: return make_directory(request);
        case file_call::list: return list(request);
        case file_call::transfer: return transfer(request);
    }
    return -ENOSYS;
}

}  // namespace co_wq::io
