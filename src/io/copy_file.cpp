#include "io/copy_file.hpp"

#include <algorithm>
#include <atomic>

#include "io/backend/native_files.hpp"
#include "io/file_service.hpp"

namespace co_wq::io {
namespace detail {
namespace {

constexpr std::uint64_t transfer_bytes_max = 1024 * 1024 * 1024;
constexpr std::size_t block_bytes = 256 * 1024;

file_request& transferring(const file& from, const file& to, std::uint64_t offset, std::uint64_t size, bool holes) {
    CO_WQ_REQUIRE(from.is_open() && to.is_open(), "the files are open");
    lease block = file_buffers(from.loop()).take(block_bytes);
    file_request& request = request_on(from.where(), file_call::transfer);
    request.other = to.handle();
    request.other_entry = to.where().entry->index;
    request.offset = offset;
    request.length = std::min(size, transfer_bytes_max);
    request.flag = holes;
    request.buffer = std::move(block);
    return request;
}

}  // namespace

file_transfer_awaiter::file_transfer_awaiter(const file& from, const file& to, std::uint64_t offset, std::uint64_t size,
                                             bool holes)
    : file_awaiter(ops, from.loop(), transferring(from, to, offset, size, holes)) {}

result<std::uint64_t> file_transfer_awaiter::await_resume() noexcept {
    const result<std::uint32_t> got = take_result();
    if (!got) return std::unexpected(got.error());
    return std::uint64_t{*got};
}

}  // namespace detail

namespace {

// The file beside the destination; it goes when this does, unless it got its name.
class unfinished {
public:
    unfinished(event_loop& loop, const std::string& destination) : loop_(loop) {
        static std::atomic<std::uint64_t> number{0};
        const std::size_t name = last_name_at(destination);
        const std::uint64_t unique =
            static_cast<std::uint64_t>(steady_now().time_since_epoch().count()) * 1'000'003 + number.fetch_add(1);
        path_ = destination.substr(0, name) + '.' + beginning(destination.substr(name)) + ".co_wq-" +
                std::to_string(unique);
    }
    unfinished(const unfinished&) = delete;
    unfinished& operator=(const unfinished&) = delete;
    ~unfinished() {
        if (made_) loop_.reactor().files().remove_later(path_);
    }
    const std::string& path() const noexcept { return path_; }
    void made() noexcept { made_ = true; }
    void gone() noexcept { made_ = false; }

private:
    // Not within a character: a name has to stay UTF-8 where it was.
    static std::string beginning(std::string name) {
        std::size_t kept = 200;  // of 255 that a name may have
        if (name.size() <= kept) return name;
        const auto continues = [](char one) { return (static_cast<unsigned char>(one) & 0xc0) == 0x80; };
        for (int i = 0; i < 3 && continues(name[kept]); ++i) --kept;
        name.resize(kept);
        return name;
    }

    event_loop& loop_;
    std::string path_;
    bool made_ = false;
};

std::string folder_of(const std::string& path) {
    const std::size_t name = last_name_at(path);
    return name == 0 ? "." : path.substr(0, name);
}

task<result<void>> sync_folder(event_loop& loop, std::string path) {
    result<file> folder = co_await file_system(loop).open_directory(path);
    if (!folder) co_return std::unexpected(folder.error());
    const result<void> synced = co_await folder->sync();
    co_return synced;
}

// All bytes, and the length.
task<result<void>> copy_bytes(const file& from, const file& to, file_status before, const copy_options& options) {
    const std::uint64_t size = before.size_bytes;
    const bool holes = before.stored_bytes < size;
    std::uint64_t at = 0;
    while (at < size) {
        const std::uint64_t chunk = std::min(size - at, std::max<std::uint64_t>(options.chunk_bytes, 1));
        const result<std::uint64_t> moved = co_await detail::file_transfer_awaiter(from, to, at, chunk, holes);
        if (!moved) co_return std::unexpected(moved.error());
        if (*moved == 0) co_return fail(errc::changed);  // it ends earlier than it did
        at += *moved;
        if (options.progress) options.progress({.copied_bytes = at, .size_bytes = size});
    }
    if (holes) {
        const result<void> grown = co_await to.truncate(size);
        if (!grown) co_return grown;
    }
    const result<file_status> after = co_await from.status();
    if (!after) co_return std::unexpected(after.error());
    if (after->size_bytes != size || after->modified != before.modified) co_return fail(errc::changed);
    co_return result<void>{};
}

error not_regular(file_type type) noexcept {
    return type == file_type::directory ? errc::is_directory : errc::not_supported;
}

}  // namespace

task<result<std::uint64_t>> copy_file(event_loop& loop, std::string from, std::string to, copy_options options) {
    const file_system files(loop);
    detail::file_request& asked = detail::file_request::make(file_call::open, {from});
    asked.flag = true;  // a fifo would keep us waiting
    result<file> source = co_await file_open_awaiter(loop, asked);
    if (!source) co_return std::unexpected(source.error());
    const result<file_status> before = co_await source->status();
    if (!before) co_return std::unexpected(before.error());
    if (before->type != file_type::regular) co_return fail(not_regular(before->type));
    const result<file_status> there = co_await files.status(to);
    if (there && there->same_file(*before)) co_return fail(errc::invalid_argument);
    if (there && options.keep_existing) co_return fail(errc::already_exists);
    const result<file_status> name = co_await files.status(to, links::no_follow);
    if (name && name->type != file_type::regular && name->type != file_type::symbolic_link)
        co_return fail(not_regular(name->type));

    unfinished beside(loop, to);
    detail::file_request& making = detail::file_request::make(file_call::open, {beside.path()});
    making.opening.access = file_access::write;
    making.opening.creation = file_creation::must;
    making.mode = 0600;
    making.scratch = true;
    result<file> target = co_await file_open_awaiter(loop, making);
    if (!target) co_return std::unexpected(target.error());
    beside.made();
    result<void> done = co_await copy_bytes(*source, *target, *before, options);
    if (!done) co_return std::unexpected(done.error());
    done = co_await target->set_mode(before->mode & 0777);
    if (!done) co_return std::unexpected(done.error());
    if (options.durable) {
        done = co_await target->sync();
        if (!done) co_return std::unexpected(done.error());
    }
    done = co_await target->finish();
    if (!done) co_return std::unexpected(done.error());
    done = co_await files.rename(beside.path(), to, options.keep_existing);
    if (!done) co_return std::unexpected(done.error());
    beside.gone();
    if (options.durable) {
        done = co_await sync_folder(loop, folder_of(to));
        if (!done) co_return std::unexpected(done.error());
    }
    co_return before->size_bytes;
}

}  // namespace co_wq::io
