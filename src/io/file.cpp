#include "io/file.hpp"

#include <algorithm>
#include <cerrno>

#include "io/backend/native_files.hpp"
#include "io/file_service.hpp"

namespace co_wq::io {
namespace detail {
namespace {

constexpr std::uint64_t offset_max = INT64_MAX;

// A larger number would mean something else to the system.
void place(file_request& request, std::uint64_t offset, std::uint64_t length) noexcept {
    request.offset = offset;
    request.length = length;
    if (offset > offset_max || length > offset_max - offset) request.failure = -EINVAL;
}

file_request& reading(descriptor_ref where, std::uint64_t offset, std::size_t size) {
    CO_WQ_REQUIRE(where.entry, "the file is open");
    size = std::min(size, file::read_bytes_max);
    lease block = file_buffers(*where.loop).take(size);
    file_request& request = request_on(where, file_call::read);
    place(request, offset, size);
    request.buffer = std::move(block);
    return request;
}

file_request& writing(descriptor_ref where, std::uint64_t offset, lease&& data) {
    file_request& request = request_on(where, file_call::write);
    place(request, offset, data.size());
    if (data) request.begin = static_cast<std::uint32_t>(data.data().data() - data.block().data());
    request.buffer = std::move(data);
    return request;
}

}  // namespace

file_request& request_on(descriptor_ref where, file_call call, std::size_t room) {
    CO_WQ_REQUIRE(where.entry, "the file is open");
    file_request& request = file_request::make(call, {}, room);
    request.handle = where.entry->handle;
    request.entry = where.entry->index;
    return request;
}

file_read_awaiter::file_read_awaiter(descriptor_ref where, std::uint64_t offset, std::size_t size)
    : file_awaiter(ops, *where.loop, reading(where, offset, size)) {}

result<lease> file_read_awaiter::await_resume() noexcept {
    const result<std::uint32_t> got = take_result();
    if (!got) return std::unexpected(got.error());
    lease made = std::move(request().buffer);
    made.set_size(*got);
    return made;
}

file_write_awaiter::file_write_awaiter(descriptor_ref where, std::uint64_t offset, lease&& data)
    : file_awaiter(ops, *where.loop, writing(where, offset, std::move(data))) {}

file_written file_write_awaiter::await_resume() noexcept {
    (void)take_result();
    return {std::move(request().buffer), static_cast<std::size_t>(request().done), ending()};
}

}  // namespace detail

buffer_pool& file_buffers(event_loop& loop) { return loop.reactor().files().buffers(); }

file_open_awaiter file::open(event_loop& loop, std::string_view path, open_options options) {
    detail::file_request& request = detail::file_request::make(file_call::open, {path});
    request.opening = options;
    request.mode = options.creation == file_creation::never ? 0 : options.mode;
    return {loop, request};
}

result<file> file_open_awaiter::await_resume() {
    const result<std::uint32_t> got = take_result();
    if (!got) return std::unexpected(got.error());
    file made(loop(), static_cast<native_handle>(*got));
    request().made = no_handle;
    // the page cache has nothing of it: a read without waiting would wait all the same
    if (request().opening.direct) made.where().entry->readable = false;
    return made;
}

detail::file_call_awaiter file::simple(file_call call) const {
    return {*where_.loop, detail::request_on(where_, call)};
}

detail::file_status_awaiter file::status() const {
    return {*where_.loop, detail::request_on(where_, file_call::status, status_bytes)};
}

detail::file_call_awaiter file::truncate(std::uint64_t size) const {
    detail::file_request& request = detail::request_on(where_, file_call::truncate);
    detail::place(request, size, 0);
    return {*where_.loop, request};
}

detail::file_call_awaiter file::allocate(std::uint64_t offset, std::uint64_t size) const {
    detail::file_request& request = detail::request_on(where_, file_call::allocate);
    detail::place(request, offset, size);
    return {*where_.loop, request};
}

detail::file_call_awaiter file::set_mode(std::uint32_t mode) const {
    detail::file_request& request = detail::request_on(where_, file_call::set_mode);
    request.mode = mode & 07777;
    return {*where_.loop, request};
}

task<result<void>> file::finish() {
    if (!where_.entry) co_return fail(errc::closed);
    if (where_.entry->pins > 0) co_return fail(errc::busy);
    event_loop& loop = *where_.loop;
    detail::file_request& request = detail::file_request::make(file_call::close);
    request.handle = where_.entry->handle;
    where_.entry->owned = false;
    close();
    const result<void> closed = co_await detail::file_call_awaiter(loop, request);
    co_return closed;
}

}  // namespace co_wq::io
