#include "proxy/seeing/access_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <vector>

#include "base/log.hpp"

namespace co_wq::proxy {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

class access_log_file : public testing::Test {
protected:
    access_log_file() {
        std::string pattern = (fs::temp_directory_path() / "co_wq_access_XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
        log::set_level(log::level::off);
    }
    ~access_log_file() override {
        log::set_level(log::level::info);
        fs::remove_all(folder_);
    }
    std::string path(const char* name = "log") const { return (folder_ / name).string(); }
    std::string text(const char* name = "log") const {
        std::ifstream in(path(name), std::ios::binary);
        std::ostringstream all;
        all << in.rdbuf();
        return all.str();
    }
    // Until the condition holds; the test's own time limit ends it otherwise.
    template <class Condition>
    static void until(Condition&& holds) {
        while (!holds()) std::this_thread::yield();
    }
    fs::path folder_;
};

TEST_F(access_log_file, lines_are_written_in_order_and_all_of_them_at_the_end) {
    auto log = access_log::open(path());
    ASSERT_TRUE(log);
    access_log::lane& lane = (*log)->add_lane();
    std::string wanted;
    for (int number = 0; number < 20'000; ++number) {
        const std::string line = "line " + std::to_string(number) + "\n";
        ASSERT_TRUE(lane.write(line));
        wanted += line;
    }
    EXPECT_EQ((*log)->close(10s), 0u);
    EXPECT_EQ(text(), wanted);
    EXPECT_EQ((*log)->dropped(), 0u);
}

TEST_F(access_log_file, a_line_is_written_soon_without_being_asked) {
    auto log = access_log::open(path());
    access_log::lane& lane = (*log)->add_lane();
    for (int round = 1; round <= 3; ++round) {
        lane.write("x\n");
        until([&] { return text().size() == 2u * static_cast<unsigned>(round); });
    }
}

TEST_F(access_log_file, what_it_held_before_is_kept) {
    std::ofstream(path()) << "before\n";
    auto log = access_log::open(path());
    (*log)->add_lane().write("after\n");
    EXPECT_EQ((*log)->close(10s), 0u);
    EXPECT_EQ(text(), "before\nafter\n");
}

TEST_F(access_log_file, a_path_that_cannot_be_opened_is_an_error) {
    EXPECT_EQ(access_log::open(folder_.string()).error(), errc::is_directory);
    EXPECT_EQ(access_log::open(path("no/such")).error(), errc::not_found);
}

TEST_F(access_log_file, rotation_loses_and_doubles_nothing) {
    constexpr int lanes = 2, lines = 20'000;
    auto log = access_log::open(path(), 1 << 22);
    std::vector<std::thread> writers;
    std::atomic<int> running{lanes};
    for (int index = 0; index < lanes; ++index)
        writers.emplace_back([&, index, lane = &(*log)->add_lane()] {
            for (int number = 0; number < lines; ++number)
                lane->write(std::to_string(index) + " " + std::to_string(number) + "\n");
            --running;
        });
    int files = 0;
    do {
        fs::rename(path(), path(std::to_string(files++).c_str()));
        (*log)->reopen();
        until([&] { return fs::exists(path()); });
    } while (running > 0);
    for (std::thread& one : writers) one.join();
    EXPECT_EQ((*log)->close(10s), 0u);
    std::map<int, int> next;
    for (int file = 0; file <= files; ++file) {
        std::istringstream in(text(file == files ? "log" : std::to_string(file).c_str()));
        for (int index = 0, number = 0; in >> index >> number;) EXPECT_EQ(number, next[index]++);
    }
    for (int index = 0; index < lanes; ++index) EXPECT_EQ(next[index], lines);
}

TEST_F(access_log_file, if_the_new_file_cannot_be_opened_the_old_one_goes_on) {
    fs::create_directory(path("sub"));
    auto log = access_log::open(path("sub/log"));
    access_log::lane& lane = (*log)->add_lane();
    lane.write("one\n");
    until([&] { return text("sub/log").size() == 4; });
    fs::rename(path("sub"), path("moved"));
    (*log)->reopen();
    lane.write("two\n");
    EXPECT_EQ((*log)->close(10s), 0u);
    EXPECT_EQ(text("moved/log"), "one\ntwo\n");
}

TEST_F(access_log_file, a_full_disk_is_counted_and_keeps_nobody) {
    auto log = access_log::open("/dev/full", 1024);
    if (!log) GTEST_SKIP() << "no /dev/full";
    access_log::lane& lane = (*log)->add_lane();
    lane.write("x\n");
    until([&] { return (*log)->failures() == 1; });
    int taken = 1;
    for (int number = 0; number < 1000; ++number) taken += lane.write("0123456789abcde\n");
    EXPECT_EQ(taken, 1 + 1022 / 16);
    EXPECT_EQ((*log)->dropped(), 1001u - static_cast<unsigned>(taken));
    EXPECT_EQ((*log)->close(50ms), static_cast<unsigned>(taken)) << "what never reached the file";
    EXPECT_EQ((*log)->failures(), 1u) << "a refusal that lasts is one";
}

// In a process of its own: its limit on the size of files is 100 bytes until it is raised.
[[noreturn]] void fill_and_go_on(const std::string& path) {
    rlimit limit{100, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto log = access_log::open(path);
    access_log::lane& lane = (*log)->add_lane();
    for (int number = 10; number < 40; ++number) lane.write("line " + std::to_string(number) + "\n");  // 8 bytes each
    while ((*log)->failures() == 0) std::this_thread::yield();
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    std::_Exit(static_cast<int>((*log)->close(10s) + (*log)->dropped()));
}

TEST_F(access_log_file, it_goes_on_in_the_middle_of_a_line_when_there_is_room_again) {
    EXPECT_EXIT(fill_and_go_on(path()), testing::ExitedWithCode(0), "");
    std::string wanted;
    for (int number = 10; number < 40; ++number) wanted += "line " + std::to_string(number) + "\n";
    EXPECT_EQ(text(), wanted);
}

[[noreturn]] void fill_and_rotate(const std::string& path) {
    rlimit limit{100, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    auto log = access_log::open(path);
    access_log::lane& lane = (*log)->add_lane();
    for (int number = 10; number < 24; ++number) lane.write("line " + std::to_string(number) + "\n");  // 112 bytes
    while ((*log)->failures() == 0) std::this_thread::yield();
    fs::rename(path, path + ".1");
    (*log)->reopen();
    std::_Exit(static_cast<int>((*log)->close(10s) + (*log)->dropped()));
}

TEST_F(access_log_file, a_line_that_was_cut_by_a_full_disk_is_whole_in_the_next_file) {
    EXPECT_EXIT(fill_and_rotate(path()), testing::ExitedWithCode(0), "");
    EXPECT_EQ(text("log.1").size(), 100u);
    EXPECT_TRUE(text("log.1").ends_with("\nline"));
    EXPECT_EQ(text(), "line 22\nline 23\n");
}

TEST_F(access_log_file, a_reader_that_does_not_read_keeps_neither_writer_nor_end) {
    ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
    EXPECT_FALSE(access_log::open(path())) << "nobody reads it yet, and that is told at once";
    const int reader = ::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    auto log = access_log::open(path(), 1 << 18);  // more than a pipe holds
    ASSERT_TRUE(log);
    access_log::lane& lane = (*log)->add_lane();
    const std::string line(1023, 'x');
    std::uint64_t given = 0;
    while ((*log)->dropped() < 10) given += lane.write(line + '\n');
    std::uint64_t got = 0;
    std::vector<char> block(1 << 20);
    const std::uint64_t lost = (*log)->close(50ms);
    EXPECT_GT(lost, 0u);
    for (ssize_t size; (size = ::read(reader, block.data(), block.size())) > 0;)
        got += static_cast<std::uint64_t>(size);
    EXPECT_EQ(got / 1024, given - lost) << "whole lines that came out, and those that are told lost, are all";
    ::close(reader);
}

TEST_F(access_log_file, a_line_larger_than_the_ring_is_dropped) {
    auto log = access_log::open(path(), 1024);
    access_log::lane& lane = (*log)->add_lane();
    EXPECT_FALSE(lane.write(std::string(1025, 'x')));
    EXPECT_TRUE(lane.write(std::string(1023, 'y') + '\n'));
    EXPECT_EQ((*log)->close(10s), 0u);
    EXPECT_EQ(text().size(), 1024u);
    EXPECT_EQ((*log)->dropped(), 1u);
}

}  // namespace
}  // namespace co_wq::proxy
