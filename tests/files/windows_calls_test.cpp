// What only Windows has: its ways to write a path, handles of other kinds, files that somebody keeps to himself.
#include <gtest/gtest.h>
#include <windows.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "base/result.hpp"
#include "io/backend/native_files.hpp"
#include "support/temp_folder.hpp"

namespace co_wq::io::test {
namespace {

using detail::file_request;

HANDLE native(native_handle handle) { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(handle)); }
native_handle kept(HANDLE handle) { return static_cast<native_handle>(reinterpret_cast<std::intptr_t>(handle)); }

class windows_files : public testing::Test {
protected:
    std::string in(const std::string& name) const { return folder.path().generic_string() + "/" + name; }
    static std::string with_backslashes(std::string path) {
        for (char& one : path)
            if (one == '/') one = '\\';
        return path;
    }
    static result<native_handle> open(std::string_view path, open_options how = {}, native_handle from = no_handle,
                                      bool directory = false) {
        file_request& request = file_request::make(file_call::open, {path});
        request.handle = from;
        request.opening = how;
        request.mode = 0666;
        request.folder = directory;
        if (request.failure == 0) perform_file_call(request);
        const std::int32_t got = request.outcome();
        request.free();
        if (got < 0) return fail(from_errno(-got));
        return got;
    }
    static errc tried(std::string_view path, open_options how = {}, native_handle from = no_handle) {
        const result<native_handle> got = open(path, how, from);
        if (!got) return got.error().code();
        close_now(*got);
        return errc{};
    }
    static std::int32_t path_call(file_call call, std::initializer_list<std::string_view> paths,
                                  native_handle from = no_handle) {
        file_request& request = file_request::make(call, paths, status_bytes);
        request.handle = from;
        perform_file_call(request);
        const std::int32_t got = request.outcome();
        request.free();
        return got;
    }
    std::string read(native_handle from, std::uint64_t offset, std::size_t size) {
        file_request& request = file_request::make(file_call::read);
        request.handle = from;
        request.offset = offset;
        request.length = size;
        request.buffer = blocks.take(size);
        perform_file_call(request);
        const std::int32_t got = request.outcome();
        std::string text = got < 0 ? from_errno(-got).message()
                                   : std::string(reinterpret_cast<const char*>(request.buffer.block().data()),
                                                 static_cast<std::size_t>(got));
        request.free();
        return text;
    }
    void put(const std::string& name) const {
        EXPECT_EQ(tried(in(name), {.access = file_access::write, .creation = file_creation::must}), errc{});
    }

    co_wq::test::temp_folder folder;
    buffer_pool blocks{4096};
};

constexpr errc fine{};

TEST_F(windows_files, paths_are_written_in_many_ways) {
    ASSERT_EQ(path_call(file_call::make_directory, {in("d")}), 0);
    put("d/f");
    const std::string whole = with_backslashes(in("d/f"));
    EXPECT_EQ(tried(whole), fine);
    EXPECT_EQ(tried("\\\\?\\" + whole), fine);
    EXPECT_EQ(tried("\\\\.\\" + whole), fine);
    EXPECT_EQ(tried(in("d/./x/..\\f")), fine);
    EXPECT_EQ(tried(in("D/F")), fine);
    EXPECT_EQ(tried("\\\\?\\" + in("d/f")), errc::not_found);  // "as it stands": no other slash
    const native_handle d = open(in("d\\"), {}, no_handle, true).value();
    EXPECT_EQ(tried("f", {}, d), fine);
    EXPECT_EQ(tried(".\\F", {}, d), fine);
    EXPECT_EQ(tried("..\\d\\f", {}, d), fine);
    EXPECT_EQ(tried(whole, {}, d), fine);
    // above the root there is the root
    std::string up;
    for (int i = 0; i < 40; ++i) up += "../";
    EXPECT_EQ(tried(up + in("d/f").substr(3), {}, d), fine);
    std::wstring before(1000, L'\0');
    before.resize(::GetCurrentDirectoryW(1000, before.data()));
    ASSERT_TRUE(::SetCurrentDirectoryW(folder.path().c_str()));
    EXPECT_EQ(tried("d/f"), fine);
    EXPECT_EQ(tried(".\\d\\f"), fine);
    EXPECT_EQ(tried(whole.substr(0, 2) + "d\\f"), fine);
    EXPECT_EQ(tried(whole.substr(2), {}, d), fine);  // from the root of the current drive
    EXPECT_EQ(tried("d/none"), errc::not_found);
    close_now(d);
    ASSERT_TRUE(::SetCurrentDirectoryW(before.c_str()));
}

TEST_F(windows_files, what_is_no_name_is_refused) {
    EXPECT_EQ(tried(in("\xff\xfe")), errc::invalid_argument);  // no UTF-8
    EXPECT_EQ(tried(in("\xed\xa0\x80")), errc::invalid_argument);
    EXPECT_EQ(tried(in("a*b")), errc::invalid_argument);
    EXPECT_EQ(tried(in("a<b")), errc::invalid_argument);
    EXPECT_EQ(tried(in(std::string(256, 'n'))), errc::name_too_long);
    std::string longest;
    for (int i = 0; i < 255; ++i) longest += "\xe6\x97\xa5";  // 255 units, 765 bytes
    EXPECT_EQ(tried(in(longest)), errc::not_found);
    EXPECT_EQ(tried(in(longest + "x")), errc::name_too_long);
    EXPECT_EQ(tried("Q:/none"), errc::not_found);
}

TEST_F(windows_files, devices_are_opened_by_their_names) {
    const native_handle nothing = open("NUL", {.access = file_access::read_write, .truncate = true}).value();
    EXPECT_EQ(read(nothing, 0, 10), "");
    close_now(nothing);
    EXPECT_EQ(path_call(file_call::status, {"NUL"}), 0);
}

TEST_F(windows_files, a_file_that_somebody_keeps_to_himself_is_refused) {
    put("f");
    const HANDLE alone =
        ::CreateFileW((folder.path() / "f").c_str(), GENERIC_READ, 0, nullptr, OPEN_EXISTING, 0, nullptr);
    ASSERT_NE(alone, INVALID_HANDLE_VALUE);
    const result<native_handle> got = open(in("f"));
    EXPECT_EQ(got.error(), errc::permission_denied);
    EXPECT_EQ(got.error().os_code(), ERROR_SHARING_VIOLATION);
    EXPECT_EQ(path_call(file_call::status, {in("f")}), 0);
    EXPECT_LT(path_call(file_call::remove, {in("f")}), 0);
    EXPECT_LT(path_call(file_call::rename, {in("f"), in("g")}), 0);
    ::CloseHandle(alone);
    EXPECT_EQ(path_call(file_call::remove, {in("f")}), 0);
}

TEST_F(windows_files, ours_are_shared_with_everybody) {
    put("f");
    const native_handle ours = open(in("f"), {.access = file_access::read_write}).value();
    constexpr DWORD all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const HANDLE other = ::CreateFileW((folder.path() / "f").c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, all,
                                       nullptr, OPEN_EXISTING, 0, nullptr);
    EXPECT_NE(other, INVALID_HANDLE_VALUE);
    ::CloseHandle(other);
    close_now(ours);
}

TEST_F(windows_files, handles_of_both_kinds_are_read) {
    put("f");
    for (const DWORD flags : {DWORD{0}, DWORD{FILE_FLAG_OVERLAPPED}}) {
        const HANDLE foreign = ::CreateFileW((folder.path() / "f").c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                                             OPEN_EXISTING, flags, nullptr);
        ASSERT_NE(foreign, INVALID_HANDLE_VALUE);
        file_request& request = file_request::make(file_call::write);
        request.handle = kept(foreign);
        request.offset = 3;
        request.length = 4;
        request.buffer = blocks.take(4);
        std::memcpy(request.buffer.block().data(), "text", 4);
        perform_file_call(request);
        EXPECT_EQ(request.outcome(), 4);
        request.free();
        EXPECT_EQ(read(kept(foreign), 4, 10), "ext");
        EXPECT_EQ(read(kept(foreign), 7, 10), "");
        ::CloseHandle(foreign);
    }
}

// A file that is joined to a port: the port does not hear of what a thread waits for.
TEST_F(windows_files, a_completion_port_hears_nothing_of_it) {
    put("f");
    const native_handle file = open(in("f"), {.access = file_access::read_write}).value();
    const HANDLE port = ::CreateIoCompletionPort(native(file), nullptr, 7, 1);
    ASSERT_NE(port, nullptr);
    EXPECT_EQ(read(file, 0, 10), "");
    DWORD count = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* which = nullptr;
    EXPECT_FALSE(::GetQueuedCompletionStatus(port, &count, &key, &which, 0));
    EXPECT_EQ(which, nullptr);
    ::CloseHandle(port);
    close_now(file);
}

TEST_F(windows_files, a_folder_that_was_opened_as_a_file_is_listed) {
    put("f");
    const native_handle here = open(in(".")).value();
    for (const std::size_t expected : {1u, 0u}) {
        file_request& request = file_request::make(file_call::list);
        request.handle = here;
        request.buffer = blocks.take(4096);
        perform_file_call(request);
        EXPECT_GE(request.outcome(), 0);
        EXPECT_EQ(entries_of(request).size(), expected);
        request.free();
    }
    close_now(here);
    const native_handle file = open(in("f")).value();
    file_request& request = file_request::make(file_call::list);
    request.handle = file;
    request.buffer = blocks.take(4096);
    perform_file_call(request);
    EXPECT_EQ(from_errno(-request.outcome()), errc::not_directory);
    request.free();
    close_now(file);
}

TEST_F(windows_files, a_pipe_is_read_as_far_as_it_goes) {
    const std::wstring name = L"\\\\.\\pipe\\co_wq_" + folder.path().filename().wstring();
    const HANDLE server =
        ::CreateNamedPipeW(name.c_str(), PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 1, 4096, 4096, 0, nullptr);
    ASSERT_NE(server, INVALID_HANDLE_VALUE);
    const native_handle client = open("//./pipe/co_wq_" + folder.path().filename().string()).value();
    EXPECT_EQ(path_call(file_call::status, {}, client), 0);
    std::thread writer([&] {
        DWORD wrote = 0;
        ::WriteFile(server, "text", 4, &wrote, nullptr);
        ::FlushFileBuffers(server);
        ::CloseHandle(server);
    });
    EXPECT_EQ(read(client, 0, 4), "text");
    writer.join();
    EXPECT_EQ(read(client, 0, 4), "");  // its other end is gone
    close_now(client);
}

TEST(windows_names, begin_behind_either_slash) {
    EXPECT_EQ(last_name_at("a\\f"), 2u);
    EXPECT_EQ(last_name_at("C:\\a/f"), 5u);
    EXPECT_EQ(last_name_at("C:\\f"), 3u);
    EXPECT_EQ(last_name_at("C:f"), 2u);
}

}  // namespace
}  // namespace co_wq::io::test
