// Rows of calls to the file system. They wait before they have begun (file_service::pause); the cells in which the
// result comes, with their moments, find them at the kernel or at a thread.
#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <filesystem>
#include <optional>

#include "io/copy_file.hpp"
#include "io/directory.hpp"
#include "io/file_service.hpp"
#include "rows.hpp"
#include "support/temp_folder.hpp"

namespace co_wq::contract {
namespace {

constexpr const char* real_failure = "the failure is one of real descriptors";
#ifdef _WIN32
constexpr expectation not_a_directory = none("not on Windows: a handle cannot be given another file");
constexpr expectation wrong_read = ends("permission denied"), wrong_transfer = wrong_read;
// Wine flushes what it may only read, and calls the handle of what it may not cut invalid
constexpr expectation wrong_sync = ends("permission denied|ok"), wrong_cut = ends("permission denied|closed");
constexpr expectation wrong_mode = none("not on Windows: what may be read may be made read-only");
#else
constexpr expectation not_a_directory = ends("not a directory");
constexpr expectation wrong_read = ends("is a directory|invalid argument"), wrong_transfer = ends("is a directory");
constexpr expectation wrong_sync = ends("invalid argument"), wrong_mode = ends("permission denied");
constexpr expectation wrong_cut = ends("invalid argument|permission denied");
#endif
constexpr const char* no_owner = "a path has no owner";

// A folder with a file f, "x", and calls that do not begin until complete().
class on_files : public subject {
public:
    using subject::subject;
    task<void> set_up() override {
        service().resume();
        if (simulated) {
            static int number = 0;
            folder_ = "/" + std::to_string(number++);
            (void)co_await io::file_system(loop).make_directory(folder_);
        } else {
            folder_ = real_.emplace().path().generic_string();
        }
        co_await put("f", "x");
        co_await put("g", "y");
        co_await open_all();
        if (at != cell::ready) service().pause();
    }
    task<void> complete() override {
        service().resume();
        co_return;
    }

protected:
    virtual task<void> open_all() { co_return; }
    io::detail::file_service& service() { return loop.reactor().files(); }
    std::string path(const char* name) const { return folder_ + "/" + name; }
    task<void> put(const char* name, std::string_view text) {
        const io::open_options how{.access = io::file_access::write, .creation = io::file_creation::must};
        result<io::file> made = co_await io::file::open(loop, path(name), how);
        io::lease block = io::file_buffers(loop).take(text.size());
        std::ranges::copy(as_bytes(text), block.block().begin());
        block.set_size(text.size());
        const io::file_written done = co_await made->write_at(0, std::move(block));
        const result<void> closed = co_await made->finish();  // files are counted while the wait is under way
        if (!done.outcome || !closed) throw std::runtime_error("no room for a test's file");
    }
    // Another file behind the descriptor: the call will not like it.
#ifdef _WIN32
    static constexpr bool swaps = false;
    static void swap(io::native_handle, const char*) {}
#else
    static constexpr bool swaps = true;
    static void swap(io::native_handle handle, const char* other) {
        const int made = ::open(other, O_RDONLY | O_CLOEXEC);
        if (::dup3(made, handle, O_CLOEXEC) < 0) throw std::runtime_error("dup3");
        ::close(made);
    }
#endif

private:
    std::string folder_;
    std::optional<test::temp_folder> real_;
};

class on_open_file : public on_files {
public:
    using on_files::on_files;
    task<void> fail() override {
        swap(file_->handle(), "/proc");
        service().resume();
        co_return;
    }
    void close_owner() override { file_->close(); }
    void destroy_owner() override { file_.reset(); }

protected:
    // That the call needs.
    virtual io::file_access needed() const { return io::file_access::write; }
    // Where nothing can be swapped, a call fails that has not got it.
    io::file_access granted() const {
        if (swaps || at != cell::error) return io::file_access::read_write;
        return needed() == io::file_access::read ? io::file_access::write : io::file_access::read;
    }
    task<void> open_all() override {
        const io::open_options how{.access = granted()};
        result<io::file> made = co_await io::file::open(loop, path("f"), how);
        file_.emplace(std::move(*made));
    }
    std::optional<io::file> file_;
};

class file_read : public on_open_file {
public:
    using on_open_file::on_open_file;
    io::file_access needed() const override { return io::file_access::read; }
    task<std::string> wait() override {
        const result<io::lease> got = co_await file_->read_at(0, 100);
        if (!got) co_return got.error().message();
        co_return "ok " + std::string(as_text(got->data()));
    }
};

class file_write : public on_open_file {
public:
    using on_open_file::on_open_file;
    task<std::string> wait() override {
        io::lease block = io::file_buffers(loop).take(10'000);
        block.set_size(10'000);
        std::fill_n(block.data().data(), 10'000, std::byte{1});
        const io::file_written done = co_await file_->write_at(0, std::move(block));
        if (done.buffer.size() != 10'000) co_return "the block did not come back";
        if (!done.outcome) co_return done.outcome.error().message();
        co_return "ok " + std::to_string(done.written);
    }
};

class file_sync : public on_open_file {
public:
    using on_open_file::on_open_file;
    task<std::string> wait() override {
        const result<void> done = co_await file_->sync_data();
        co_return text_of(done);
    }
    task<void> fail() override {
        swap(file_->handle(), "/dev/null");
        return complete();
    }
};

class file_cut : public on_open_file {
public:
    using on_open_file::on_open_file;
    task<std::string> wait() override {
        const result<void> done = co_await file_->truncate(5);
        co_return text_of(done);
    }
};

class file_mode : public on_open_file {
public:
    using on_open_file::on_open_file;
    task<std::string> wait() override {
        const result<void> done = co_await file_->set_mode(0640);
        co_return text_of(done);
    }
    task<void> fail() override {
        swap(file_->handle(), "/proc/self/status");  // whose mode nobody may change
        return complete();
    }
};

class file_status : public on_open_file {
public:
    using on_open_file::on_open_file;
    task<std::string> wait() override {
        const result<io::file_status> found = co_await file_->status();
        if (!found) co_return found.error().message();
        co_return "ok " + std::to_string(found->size_bytes);
    }
};

class file_transfer : public on_open_file {
public:
    using on_open_file::on_open_file;
    io::file_access needed() const override { return io::file_access::read; }
    task<std::string> wait() override {
        const result<std::uint64_t> moved =
            co_await io::detail::file_transfer_awaiter(*file_, *target_, 0, 1000, false);
        if (!moved) co_return moved.error().message();
        co_return "ok " + std::to_string(*moved);
    }

protected:
    task<void> open_all() override {
        co_await on_open_file::open_all();
        const io::open_options how{.access = io::file_access::write};
        result<io::file> made = co_await io::file::open(loop, path("g"), how);
        target_.emplace(std::move(*made));
    }
    std::optional<io::file> target_;
};

class folder_read : public on_files {
public:
    using on_files::on_files;
    task<std::string> wait() override {
        const result<std::vector<io::directory_entry>> some = co_await folder_->next();
        if (!some) co_return some.error().message();
        co_return "ok";  // one whose waiter died may have taken the entries
    }
    task<void> fail() override {
        swap(folder_->file().handle(), path("f").c_str());
        return complete();
    }
    void close_owner() override { folder_.reset(); }
    void destroy_owner() override { folder_.reset(); }

protected:
    task<void> open_all() override {
        result<io::file> made = co_await io::file_system(loop).open_directory(path("."));
        folder_.emplace(std::move(*made));
    }

private:
    std::optional<io::directory> folder_;
};

// ---- on paths

class on_path : public on_files {
public:
    using on_files::on_files;
    task<void> fail() override {
        std::error_code ignored;
        std::filesystem::remove(path("f"), ignored);
        return complete();
    }
};

class path_open : public on_path {
public:
    using on_path::on_path;
    task<std::string> wait() override {
        const result<io::file> made = co_await io::file::open(loop, path("f"));
        if (!made) co_return made.error().message();
        co_return "ok";
    }
};

class path_status : public on_path {
public:
    using on_path::on_path;
    task<std::string> wait() override {
        const result<io::file_status> found = co_await io::file_system(loop).status(path("f"));
        if (!found) co_return found.error().message();
        co_return "ok " + std::to_string(found->size_bytes);
    }
};

// Onto itself, so that it may be done twice.
class path_rename : public on_path {
public:
    using on_path::on_path;
    task<std::string> wait() override {
        const result<void> done = co_await io::file_system(loop).rename(path("f"), path("f"));
        co_return text_of(done);
    }
};

consteval plan file_plan(expectation value, expectation late, expectation failure) {
    return operation_plan(value, value, failure, late);
}

consteval plan path_plan(expectation value, expectation late) {
    plan made = operation_plan(value, value, ends("not found"), late);
    made.owner_closed = none(no_owner);
    made.owner_destroyed = none(no_owner);
    return made;
}

}  // namespace

std::vector<variant> io_file_read_awaiter_rows() {
    return {{"file read", &make<file_read>, file_plan(ends("ok x"), ends("ok x|stopped"), wrong_read), nullptr,
             real_failure}};
}
std::vector<variant> io_file_write_awaiter_rows() {
    return {{"file write", &make<file_write>,
             file_plan(ends("ok 10000"), ends("ok 10000|stopped"), ends("permission denied")), nullptr, real_failure}};
}
std::vector<variant> io_file_call_awaiter_rows() {
    return {
        {"file sync", &make<file_sync>, file_plan(ends("ok"), ends("ok|stopped"), wrong_sync), nullptr, real_failure},
        {"file truncate", &make<file_cut>, file_plan(ends("ok"), ends("ok|stopped"), wrong_cut), nullptr, real_failure},
        {"file set mode", &make<file_mode>, file_plan(ends("ok"), ends("ok|stopped"), wrong_mode), nullptr,
         real_failure},
        {"rename", &make<path_rename>, path_plan(ends("ok"), ends("ok|stopped")), nullptr, real_failure}};
}
std::vector<variant> io_file_status_awaiter_rows() {
    plan of_file = file_plan(ends("ok 1"), ends("ok 1|stopped"), none("an open file has a status"));
    return {
        {"file status", &make<file_status>, of_file, nullptr, real_failure},
        {"status of a path", &make<path_status>, path_plan(ends("ok 1"), ends("ok 1|stopped")), nullptr, real_failure}};
}
std::vector<variant> io_file_open_awaiter_rows() {
    plan expected = path_plan(ends("ok"), ends("ok|stopped"));
    expected.ready = none("nothing is opened before it is asked for");
    return {{"file open", &make<path_open>, expected, nullptr, real_failure}};
}
std::vector<variant> io_file_transfer_awaiter_rows() {
    return {{"file transfer", &make<file_transfer>, file_plan(ends("ok 1"), ends("ok 1|stopped"), wrong_transfer),
             nullptr, real_failure}};
}
std::vector<variant> io_directory_awaiter_rows() {
    return {{"directory read", &make<folder_read>, file_plan(ends("ok"), ends("ok|stopped"), not_a_directory), nullptr,
             real_failure}};
}

}  // namespace co_wq::contract
