// Calls to the file system as they are made, without a loop: each system's own answers.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

#include "base/result.hpp"
#include "io/backend/native_files.hpp"
#include "support/temp_folder.hpp"
#include "system.hpp"

namespace co_wq::io::test {
namespace {

using detail::file_request;

// One request, made on this thread.
class made {
public:
    explicit made(file_call call, std::initializer_list<std::string_view> paths = {}, std::size_t room = 0)
        : request_(file_request::make(call, paths, room)) {}
    made(const made&) = delete;
    made& operator=(const made&) = delete;
    ~made() { request_.free(); }
    file_request* operator->() { return &request_; }
    file_request& operator*() { return request_; }
    // What it comes to; of a failure the code.
    result<std::uint32_t> now() {
        if (request_.failure == 0) perform_file_call(request_);
        const std::int32_t got = request_.outcome();
        if (got < 0) return fail(from_errno(-got));
        return static_cast<std::uint32_t>(got);
    }
    errc code() {
        const result<std::uint32_t> got = now();
        return got ? errc{} : got.error().code();
    }

private:
    file_request& request_;
};
constexpr errc fine{};

class file_calls : public testing::Test {
protected:
    std::string in(const std::string& name) const { return folder.path().generic_string() + "/" + name; }

    static result<native_handle> open(std::string_view path, open_options how = {}, native_handle from = no_handle,
                                      bool directory = false) {
        made request(file_call::open, {path});
        request->handle = from;
        request->opening = how;
        request->mode = how.creation == file_creation::never ? 0 : how.mode;
        request->folder = directory;
        const result<std::uint32_t> got = request.now();
        if (!got) return std::unexpected(got.error());
        return static_cast<native_handle>(*got);
    }
    static errc refused(std::string_view path, open_options how = {}, native_handle from = no_handle,
                        bool directory = false) {
        const result<native_handle> got = open(path, how, from, directory);
        if (!got) return got.error().code();
        close(*got);
        return fine;
    }
    static native_handle folder_at(std::string_view path) { return open(path, {}, no_handle, true).value_or(-1); }
    static void close(native_handle handle) {
        made request(file_call::close);
        request->handle = handle;
        EXPECT_EQ(request.code(), fine);
    }
    errc write(native_handle to, std::uint64_t offset, std::string_view text) {
        made request(file_call::write);
        request->handle = to;
        request->offset = offset;
        request->length = text.size();
        request->buffer = blocks.take(std::max<std::size_t>(text.size(), 1));
        std::memcpy(request->buffer.block().data(), text.data(), text.size());
        return request.code();
    }
    // Its text, or the word for what went wrong.
    std::string read(native_handle from, std::uint64_t offset, std::size_t size) {
        made request(file_call::read);
        request->handle = from;
        request->offset = offset;
        request->length = size;
        request->buffer = blocks.take(std::max<std::size_t>(size, 1));
        const result<std::uint32_t> got = request.now();
        if (!got) return got.error().message();
        return {reinterpret_cast<const char*>(request->buffer.block().data()), *got};
    }
    static errc on(native_handle handle, file_call call, std::uint64_t offset = 0, std::uint64_t length = 0,
                   std::uint32_t mode = 0) {
        made request(call);
        request->handle = handle;
        request->offset = offset;
        request->length = length;
        request->mode = mode;
        return request.code();
    }
    static errc path_call(file_call call, std::initializer_list<std::string_view> paths, native_handle from = no_handle,
                          bool flag = false) {
        made request(call, paths);
        request->handle = from;
        request->flag = flag;
        request->mode = 0777;
        return request.code();
    }
    static result<file_status> status(std::string_view path, native_handle from = no_handle, bool no_follow = false) {
        made request(file_call::status, {path}, status_bytes);
        request->handle = from;
        request->flag = no_follow;
        const result<std::uint32_t> got = request.now();
        if (!got) return std::unexpected(got.error());
        return status_of(*request);
    }
    static file_status status_on(native_handle handle) {
        made request(file_call::status, {}, status_bytes);
        request->handle = handle;
        EXPECT_EQ(request.code(), fine);
        return status_of(*request);
    }
    void put(const std::string& name, std::string_view text, std::uint32_t mode = 0666) {
        const result<native_handle> to =
            open(in(name),
                 {.access = file_access::write, .creation = file_creation::if_missing, .mode = mode, .truncate = true});
        ASSERT_TRUE(to.has_value()) << name << ": " << to.error().message();
        EXPECT_EQ(write(*to, 0, text), fine);
        close(*to);
    }
    std::string text_of(const std::string& name, native_handle from = no_handle) {
        const result<native_handle> got = open(from == no_handle ? in(name) : name, {}, from);
        if (!got) return got.error().message();
        const std::string text = read(*got, 0, 100'000);
        close(*got);
        return text;
    }
    result<std::vector<directory_entry>> entries(native_handle of, std::size_t block = 64 * 1024) {
        made request(file_call::list);
        request->handle = of;
        request->buffer = blocks.take(block);
        const result<std::uint32_t> got = request.now();
        if (!got) return std::unexpected(got.error());
        return entries_of(*request);
    }

    co_wq::test::temp_folder folder;
    buffer_pool blocks{4096};
};

constexpr open_options fresh{.access = file_access::read_write, .creation = file_creation::if_missing};

TEST_F(file_calls, bytes_are_where_they_were_put) {
    const native_handle file = open(in("f"), fresh).value();
    EXPECT_EQ(write(file, 0, std::string_view("hello\r\nworld\n\x1a!", 15)), fine);  // bytes, no text
    EXPECT_EQ(write(file, 5, "\n\n"), fine);
    EXPECT_EQ(read(file, 0, 100), std::string("hello\n\nworld\n\x1a!"));
    EXPECT_EQ(read(file, 7, 3), "wor");
    EXPECT_EQ(read(file, 15, 10), "");
    EXPECT_EQ(read(file, 1'000'000, 10), "");
    EXPECT_EQ(read(file, 0, 0), "");
    EXPECT_EQ(on(file, file_call::sync), fine);
    EXPECT_EQ(on(file, file_call::sync_data), fine);
    EXPECT_EQ(on(file, file_call::truncate, 5), fine);
    EXPECT_EQ(read(file, 0, 100), "hello");
    EXPECT_EQ(on(file, file_call::truncate, 7), fine);
    EXPECT_EQ(read(file, 0, 100), std::string("hello\0\0", 7));
    const file_status found = status_on(file);
    EXPECT_EQ(found.size_bytes, 7u);
    EXPECT_EQ(found.type, file_type::regular);
    EXPECT_EQ(found.links, 1u);
    EXPECT_GT(found.modified.seconds, 1'700'000'000);
    EXPECT_LT(found.modified.nanoseconds, 1'000'000'000u);
    EXPECT_TRUE(found.same_file(status(in("f")).value()));
    EXPECT_FALSE(found.same_file(status(in(".")).value()));
    EXPECT_EQ(status(in(".")).value().type, file_type::directory);
    close(file);
}

TEST_F(file_calls, offsets_reach_beyond_4_GiB_and_what_lies_between_takes_no_room) {
    constexpr std::uint64_t far = (std::uint64_t{5} << 30) + 123;
    const native_handle file = open(in("f"), fresh).value();
    EXPECT_EQ(write(file, far, "far out"), fine);
    EXPECT_EQ(read(file, far - 2, 100), std::string("\0\0far out", 9));
    EXPECT_EQ(status_on(file).size_bytes, far + 7);
    EXPECT_EQ(on(file, file_call::truncate, std::uint64_t{6} << 30), fine);
    EXPECT_EQ(status_on(file).size_bytes, std::uint64_t{6} << 30);
    EXPECT_LT(status_on(file).stored_bytes, 1u << 20);
    close(file);
}

TEST_F(file_calls, opening_does_what_is_asked) {
    EXPECT_EQ(refused(in("f")), errc::not_found);
    EXPECT_EQ(refused(in("none/f"), fresh), errc::not_found);
    put("f", "text");
    open_options how = fresh;
    how.creation = file_creation::must;
    EXPECT_EQ(refused(in("f"), how), errc::already_exists);
    EXPECT_EQ(refused(in("new"), how), fine);
    EXPECT_EQ(text_of("f"), "text");
    EXPECT_EQ(refused(in("f"), {.access = file_access::read_write, .truncate = true}), fine);
    EXPECT_EQ(text_of("f"), "");
    EXPECT_EQ(refused(in("f"), {.no_follow = true}), fine);
    EXPECT_EQ(refused(in("."), fresh), errc::is_directory);
    EXPECT_EQ(refused(in("."), {.access = file_access::write}), errc::is_directory);
    EXPECT_EQ(refused(in("f"), {}, no_handle, true), errc::not_directory);
    EXPECT_EQ(refused(in("f/below")), errc::not_directory);
    EXPECT_EQ(refused(in("f/below/deeper"), fresh), errc::not_directory);
    EXPECT_EQ(refused(in(std::string(256, 'n'))), errc::name_too_long);
    EXPECT_EQ(refused(in(std::string(255, 'n')), fresh), fine);
    EXPECT_EQ(refused(""), errc::not_found);
    EXPECT_EQ(refused(std::string_view("a\0b", 3)), errc::invalid_argument);
}

TEST_F(file_calls, a_folder_is_opened_as_a_file_and_not_read_as_one) {
    const native_handle file = open(in(".")).value();
    EXPECT_EQ(status_on(file).type, file_type::directory);
    EXPECT_EQ(read(file, 0, 10), "is a directory");
    close(file);
}

TEST_F(file_calls, who_may_not_is_told) {
    put("f", "text");
    const native_handle reader = open(in("f")).value();
    EXPECT_EQ(write(reader, 0, "new"), errc::permission_denied);
    EXPECT_EQ(on(reader, file_call::sync), fine);  // what others wrote
    const native_handle writer = open(in("f"), {.access = file_access::write}).value();
    EXPECT_EQ(read(writer, 0, 4), "permission denied");
    close(writer);
    close(reader);
}

TEST_F(file_calls, the_permission_to_write_is_kept_by_the_file) {
    put("f", "text");
    const native_handle reader = open(in("f")).value();
    EXPECT_EQ(on(reader, file_call::set_mode, 0, 0, 0444), fine);
    EXPECT_EQ(status_on(reader).mode, 0444u);
    EXPECT_EQ(status(in("f")).value().mode & 0222, 0u);
    EXPECT_EQ(on(reader, file_call::set_mode, 0, 0, 0666), fine);
    EXPECT_EQ(status_on(reader).mode, 0666u);
    close(reader);
    const native_handle folder_handle = folder_at(in("."));
    EXPECT_EQ(on(folder_handle, file_call::set_mode, 0, 0, 0700), fine);
    EXPECT_EQ(on(folder_handle, file_call::sync), fine);
    close(folder_handle);
    // made without it, still written by whoever made it
    const native_handle file =
        open(in("g"), {.access = file_access::write, .creation = file_creation::must, .mode = 0444}).value();
    EXPECT_EQ(write(file, 0, "once"), fine);
    close(file);
    EXPECT_EQ(status(in("g")).value().mode & 0222, 0u);
    EXPECT_EQ(path_call(file_call::rename, {in("f"), in("g")}), fine);  // over it
    EXPECT_EQ(text_of("g"), "text");
    put("h", "text", 0444);
    EXPECT_EQ(path_call(file_call::remove, {in("h")}), fine);
}

TEST_F(file_calls, names_are_UTF_8_of_any_length) {
    const std::string odd =
        "Gr\xc3\xbc\xc3\x9f"
        "e \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80";
    put(odd, "x");
    EXPECT_EQ(status(in(odd)).value().size_bytes, 1u);
    const native_handle here = folder_at(in("."));
    const std::vector<directory_entry> all = entries(here).value();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].name, odd);
    EXPECT_EQ(all[0].inode, status(in(odd)).value().inode);
    EXPECT_EQ(text_of(odd, here), "x");
    close(here);
    std::string deep;
    for (int i = 0; i < 12; ++i) {
        deep += (deep.empty() ? "" : "/") + std::string(100, static_cast<char>('a' + i));
        ASSERT_EQ(path_call(file_call::make_directory, {in(deep)}), fine) << deep.size();
    }
    put(deep + "/leaf", "deep");
    EXPECT_EQ(text_of(deep + "/leaf"), "deep");
    EXPECT_EQ(path_call(file_call::rename, {in(deep + "/leaf"), in("leaf")}), fine);
    EXPECT_EQ(text_of("leaf"), "deep");
    for (; !deep.empty(); deep.resize(deep.size() > 100 ? deep.size() - 101 : 0))
        ASSERT_EQ(path_call(file_call::remove_directory, {in(deep)}), fine) << deep.size();
}

TEST_F(file_calls, paths_start_from_a_folder) {
    ASSERT_EQ(path_call(file_call::make_directory, {in("d")}), fine);
    const native_handle d = folder_at(in("d"));
    ASSERT_GE(d, 0);
    EXPECT_EQ(path_call(file_call::make_directory, {"e"}, d), fine);
    EXPECT_EQ(path_call(file_call::make_directory, {"e/"}, d), errc::already_exists);
    EXPECT_EQ(refused("e/f", fresh, d), fine);
    EXPECT_EQ(refused("./e//f", {}, d), fine);
    EXPECT_EQ(refused("e/../e/f", {}, d), fine);
    EXPECT_EQ(refused("../d/e/f", {}, d), fine);
    EXPECT_EQ(refused("../../nowhere/e", {}, d), errc::not_found);
    EXPECT_EQ(refused(in("d/e/f"), {}, d), fine);
    EXPECT_EQ(status(".", d).value().inode, status(in("d")).value().inode);
    EXPECT_EQ(status("..", d).value().inode, status(in(".")).value().inode);
    EXPECT_EQ(path_call(file_call::rename, {"e/f", "g"}, d), fine);
    EXPECT_EQ(status(in("d/g")).value().type, file_type::regular);
    EXPECT_EQ(path_call(file_call::rename, {"g", "../h"}, d), fine);
    EXPECT_EQ(status(in("h")).value().type, file_type::regular);
    EXPECT_EQ(path_call(file_call::remove, {"../h"}, d), fine);
    EXPECT_EQ(path_call(file_call::remove_directory, {"e"}, d), fine);
    close(d);
}

TEST_F(file_calls, names_are_changed_and_removed) {
    put("a", "1234");
    put("b", "12");
    EXPECT_EQ(path_call(file_call::rename, {in("a"), in("b")}, no_handle, true), errc::already_exists);
    EXPECT_EQ(path_call(file_call::rename, {in("none"), in("b")}), errc::not_found);
    EXPECT_EQ(path_call(file_call::rename, {in("a"), in("b")}), fine);
    EXPECT_EQ(text_of("b"), "1234");
    EXPECT_EQ(path_call(file_call::make_directory, {in("d")}), fine);
    EXPECT_EQ(path_call(file_call::make_directory, {in("d")}), errc::already_exists);
    EXPECT_EQ(path_call(file_call::make_directory, {in("none/d")}), errc::not_found);
    EXPECT_EQ(path_call(file_call::make_directory, {in("b/d")}), errc::not_directory);
    EXPECT_EQ(path_call(file_call::rename, {in("b"), in("d")}), errc::is_directory);
    EXPECT_EQ(path_call(file_call::rename, {in("d"), in("b")}), errc::not_directory);
    EXPECT_EQ(path_call(file_call::rename, {in("b"), in("d/b")}), fine);
    EXPECT_EQ(path_call(file_call::rename, {in("d/b"), in("d/b/c")}), errc::not_directory);
    EXPECT_EQ(path_call(file_call::remove_directory, {in("d")}), errc::not_empty);
    EXPECT_EQ(path_call(file_call::remove, {in("d")}), errc::is_directory);
    EXPECT_EQ(path_call(file_call::remove_directory, {in("d/b")}), errc::not_directory);
    EXPECT_EQ(path_call(file_call::rename, {in("d"), in("e")}), fine);
    EXPECT_EQ(path_call(file_call::remove, {in("e/b")}), fine);
    EXPECT_EQ(path_call(file_call::remove, {in("e/b")}), errc::not_found);
    EXPECT_EQ(path_call(file_call::remove_directory, {in("e")}), fine);
    EXPECT_EQ(path_call(file_call::remove_directory, {in("e")}), errc::not_found);
}

TEST_F(file_calls, an_open_file_is_renamed_and_removed) {
    put("f", "text");
    const native_handle file = open(in("f")).value();
    EXPECT_EQ(path_call(file_call::rename, {in("f"), in("g")}), fine);
    EXPECT_EQ(read(file, 0, 10), "text");
    EXPECT_EQ(path_call(file_call::remove, {in("g")}), fine);
    EXPECT_EQ(read(file, 0, 10), "text");
    if (!on_wine()) EXPECT_EQ(status(in("g")).error(), errc::not_found);  // there, when it is closed
    close(file);
    EXPECT_EQ(status(in("g")).error(), errc::not_found);
}

TEST_F(file_calls, a_folder_is_listed_block_by_block) {
    constexpr int files = 300;
    for (int i = 0; i < files; ++i) put(std::string(180, 'n') + std::to_string(i), "");
    ASSERT_EQ(path_call(file_call::make_directory, {in("d")}), fine);
    const native_handle here = folder_at(in("."));
    std::set<std::string> seen;
    std::size_t blocks_read = 0, folders = 0;
    for (;;) {
        const std::vector<directory_entry> some = entries(here, 4096).value();
        if (some.empty()) break;
        ++blocks_read;
        for (const directory_entry& one : some) {
            EXPECT_TRUE(seen.insert(one.name).second) << one.name << " came twice";
            folders += one.type == file_type::directory;
            EXPECT_EQ(one.type == file_type::directory, one.name == "d");
        }
    }
    EXPECT_EQ(seen.size(), files + 1u);
    EXPECT_EQ(folders, 1u);
    EXPECT_GT(blocks_read, 5u);
    EXPECT_TRUE(entries(here).value().empty());
    close(here);
    const native_handle empty = folder_at(in("d"));
    EXPECT_TRUE(entries(empty).value().empty());
    close(empty);
}

TEST_F(file_calls, bytes_go_from_file_to_file) {
    std::string text(1'000'000, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 / 3);
    const native_handle from = open(in("from"), fresh).value(), to = open(in("to"), fresh).value();
    for (std::size_t at = 0; at < text.size(); at += 200'000)
        EXPECT_EQ(write(from, at, text.substr(at, 200'000)), fine);
    const auto transfer = [&](std::uint64_t offset, std::uint64_t size, bool holes) {
        made request(file_call::transfer);
        request->handle = from;
        request->other = to;
        request->offset = offset;
        request->length = size;
        request->flag = holes;
        request->buffer = blocks.take(256 * 1024);
        return request.now().value_or(UINT32_MAX);
    };
    EXPECT_EQ(transfer(0, 700'000, false), 700'000u);
    EXPECT_EQ(transfer(700'000, 700'000, true), 300'000u);
    EXPECT_EQ(transfer(1'000'000, 700'000, true), 0u);
    EXPECT_EQ(transfer(1'000'000, 700'000, false), 0u);
    for (std::size_t at = 0; at < text.size(); at += 200'000)
        EXPECT_EQ(read(to, at, 200'000), text.substr(at, 200'000));
    close(from);
    close(to);
}

TEST_F(file_calls, room_is_taken_and_the_file_is_longer) {
    const native_handle file = open(in("f"), fresh).value();
    EXPECT_EQ(write(file, 0, "text"), fine);
    const errc got = on(file, file_call::allocate, 1000, 99'000);
    if (got == errc::not_supported) {
        close(file);
        GTEST_SKIP() << "not by this file system, or by Wine";
    }
    EXPECT_EQ(got, fine);
    EXPECT_EQ(status_on(file).size_bytes, 100'000u);
    EXPECT_GE(status_on(file).stored_bytes, 100'000u);
    EXPECT_EQ(on(file, file_call::allocate, 0, 10), fine);  // cuts nothing
    EXPECT_EQ(status_on(file).size_bytes, 100'000u);
    EXPECT_EQ(read(file, 0, 5), std::string("text\0", 5));
    close(file);
}

TEST_F(file_calls, what_nobody_wants_any_more_is_not_made) {
    made request(file_call::make_directory, {in("d")});
    request->unwanted = true;
    EXPECT_EQ(request.code(), errc::stopped);
    EXPECT_EQ(status(in("d")).error(), errc::not_found);
}

TEST_F(file_calls, threads_work_on_one_file_at_a_time) {
    const native_handle file = open(in("f"), fresh).value();
    std::array<std::string, 4> wrong;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < wrong.size(); ++i)
        threads.emplace_back([&, i] {
            buffer_pool own{4096};
            for (std::uint64_t round = 0; round < 100; ++round) {
                const std::uint64_t at = (round * wrong.size() + i) * 4096;
                const char fill = static_cast<char>('a' + (round + i) % 26);
                for (const file_call call : {file_call::write, file_call::read}) {
                    made request(call);
                    request->handle = file;
                    request->offset = at;
                    request->length = 4096;
                    request->buffer = own.take(4096);
                    std::byte* const block = request->buffer.block().data();
                    std::memset(block, call == file_call::write ? fill : 0, 4096);
                    const result<std::uint32_t> got = request.now();
                    if (!got) wrong[i] = got.error().message();
                    if (got && *got != 4096) wrong[i] = "short";
                    for (int k = 0; k < 4096; ++k)
                        if (static_cast<char>(block[k]) != fill) wrong[i] = "another's bytes";
                }
            }
        });
    for (std::thread& one : threads) one.join();
    for (const std::string& one : wrong) EXPECT_EQ(one, "");
    EXPECT_EQ(status_on(file).size_bytes, 4096u * 400);
    close(file);
}

TEST_F(file_calls, what_a_simulation_packs_is_unpacked) {
    made listing(file_call::list);
    listing->buffer = blocks.take(4096);
    const bytes block = listing->buffer.block();
    std::size_t at = 0;
    std::vector<std::string> names = {"a", "some longer name", std::string(200, 'n'), "\xc3\xa4"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const file_type type = i % 2 ? file_type::directory : file_type::regular;
        const std::size_t took = pack_entry(block.subspan(at), names[i], type, 100 + i);
        ASSERT_GT(took, 0u);
        at += took;
    }
    EXPECT_EQ(pack_entry(block.subspan(0, 16), "a", file_type::regular, 1), 0u);
    listing->done = at;
    const std::vector<directory_entry> all = entries_of(*listing);
    ASSERT_EQ(all.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        EXPECT_EQ(all[i].name, names[i]);
        EXPECT_EQ(all[i].type, i % 2 ? file_type::directory : file_type::regular);
        EXPECT_EQ(all[i].inode, 100 + i);
    }
    made asked(file_call::status, {}, status_bytes);
    put_status(*asked, {.type = file_type::regular, .mode = 0640, .size_bytes = 7, .inode = 9, .links = 2});
    const file_status back = status_of(*asked);
    EXPECT_EQ(back.type, file_type::regular);
    EXPECT_EQ(back.mode, 0640u);
    EXPECT_EQ(back.size_bytes, 7u);
    EXPECT_EQ(back.inode, 9u);
    EXPECT_EQ(back.links, 2u);
}

TEST(last_names, begin_behind_what_names_the_folder) {
    EXPECT_EQ(last_name_at("f"), 0u);
    EXPECT_EQ(last_name_at("/f"), 1u);
    EXPECT_EQ(last_name_at("a/b/f"), 4u);
    EXPECT_EQ(last_name_at(""), 0u);
    EXPECT_EQ(last_name_at("a/"), 2u);
}

}  // namespace
}  // namespace co_wq::io::test
