// A folder of its own and a loop on a real kernel, for each test.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/copy_file.hpp"
#include "io/directory.hpp"
#include "io/file_service.hpp"
#include "io/reactors.hpp"
#include "support/temp_folder.hpp"
#include "sync/deadline.hpp"
#include "system.hpp"
#include "task/scope.hpp"
#include "task/yield.hpp"

namespace co_wq::io::test {

class on_files : public testing::TestWithParam<backend> {
protected:
    on_files() : loop(GetParam()), folder(place_.path().generic_string()), descriptors_before_(open_descriptors()) {}
    ~on_files() override {
        expect_nothing_left();
        std::error_code ignored;
        std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
    }
    // No call under way, no block lent, no file open.
    void expect_nothing_left() {
        loop->run(let_go(*loop, lent_before_));
        EXPECT_EQ(file_buffers(*loop).lent(), 0u);
        EXPECT_EQ(loop->reactor().descriptors().live(), 0u);
        EXPECT_EQ(open_descriptors(), descriptors_before_);
        std::size_t left = 0;
        loop->slots().for_each_live([&](op_slot& slot) { left += slot.kind() == op_kind::file; });
        EXPECT_EQ(left, 0u);
    }
    static task<void> let_go(event_loop& here, std::size_t) {
        for (int i = 0; i < 5000; ++i) {
            std::size_t left = 0;
            here.slots().for_each_live([&](op_slot& slot) { left += slot.kind() == op_kind::file; });
            if (left == 0) co_return;
            (void)co_await sleep_for(std::chrono::milliseconds(1));
        }
    }

    std::string path(const std::string& name) const { return folder + "/" + name; }
    void put(const std::string& name, std::string_view text) const {
        std::ofstream(path(name), std::ios::binary) << text;
    }
    std::string text_of(const std::string& name) const {
        std::ifstream from(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(from), {}};
    }
    bool exists(const std::string& name) const { return there(path(name)); }
    std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
    }
    detail::file_service& service() { return loop->reactor().files(); }

private:
    co_wq::test::temp_folder place_;

protected:
    loop_under_test loop;
    std::string folder;

private:
    std::size_t descriptors_before_ = 0;
    std::size_t lent_before_ = 0;
};

inline lease block_of(event_loop& loop, std::string_view text) {
    lease made = file_buffers(loop).take(text.size());
    std::memcpy(made.block().data(), text.data(), text.size());
    made.set_size(text.size());
    return made;
}

inline task<file> opened(event_loop& loop, std::string where, open_options how = {}) {
    result<file> made = co_await file::open(loop, where, how);
    if (!made) throw std::runtime_error("open " + where + ": " + made.error().message());
    co_return std::move(*made);
}

inline detail::file_service& service_of(event_loop& loop) { return loop.reactor().files(); }

inline constexpr open_options fresh{.access = file_access::read_write, .creation = file_creation::if_missing};

}  // namespace co_wq::io::test
