#include "io/file_system.hpp"

#include "io/backend/native_files.hpp"

namespace co_wq::io {

detail::file_request& file_system::request(file_call call, std::initializer_list<std::string_view> paths,
                                           std::size_t room) const {
    detail::file_request& made = detail::file_request::make(call, paths, room);
    if (!folder_.entry) return made;
    made.handle = folder_.entry->handle;
    made.entry = folder_.entry->index;
    return made;
}

detail::file_status_awaiter file_system::status(std::string_view path, links how) const {
    detail::file_request& asked = request(file_call::status, {path}, status_bytes);
    asked.flag = how == links::no_follow;
    return {*loop_, asked};
}

file_open_awaiter file_system::open(std::string_view path, open_options options) const {
    detail::file_request& asked = request(file_call::open, {path});
    asked.opening = options;
    asked.mode = options.creation == file_creation::never ? 0 : options.mode;
    return {*loop_, asked};
}

file_open_awaiter file_system::open_directory(std::string_view path, links how) const {
    detail::file_request& asked = request(file_call::open, {path});
    asked.opening.no_follow = how == links::no_follow;
    asked.folder = true;
    return {*loop_, asked};
}

detail::file_call_awaiter file_system::rename(std::string_view from, std::string_view to, bool keep_existing) const {
    detail::file_request& asked = request(file_call::rename, {from, to});
    asked.flag = keep_existing;
    return {*loop_, asked};
}

detail::file_call_awaiter file_system::remove(std::string_view path) const {
    return {*loop_, request(file_call::remove, {path})};
}

detail::file_call_awaiter file_system::make_directory(std::string_view path, std::uint32_t mode) const {
    detail::file_request& asked = request(file_call::make_directory, {path});
    asked.mode = mode;
    return {*loop_, asked};
}

detail::file_call_awaiter file_system::remove_directory(std::string_view path) const {
    return {*loop_, request(file_call::remove_directory, {path})};
}

}  // namespace co_wq::io
