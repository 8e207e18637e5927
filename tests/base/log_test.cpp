#include "base/log.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/temp_folder.hpp"

using namespace co_wq;

namespace {

struct log_file : ::testing::Test {
    test::temp_folder folder;

    void SetUp() override { ASSERT_TRUE(log::configure({.file = folder / "log", .append = false, .console = false})); }
    void TearDown() override { ASSERT_TRUE(log::configure({})); }

    // What was written, without its time.
    std::string text() const {
        log::flush();
        std::ostringstream all;
        all << std::ifstream(folder / "log").rdbuf();
        std::string out, line;
        for (std::istringstream lines(all.str()); std::getline(lines, line);) out += line.substr(line.find(' ')) + "\n";
        return out;
    }
};

}  // namespace

TEST_F(log_file, a_line_is_one_line_whatever_is_in_it) {
    log::info("GET {} -> {}", "http://a/\r\n2026-01-01 info all is well", 400);
    EXPECT_EQ(text(), " info GET http://a/\\x0d\\x0a2026-01-01 info all is well -> 400\n");
}

TEST_F(log_file, nothing_in_a_line_moves_a_terminals_cursor) {
    log::warn("{}", std::string_view("\x1b[2J\0\b\t\x7f", 8));
    EXPECT_EQ(text(), " warning \\x1b[2J\\x00\\x08\\x09\\x7f\n");
}

TEST_F(log_file, other_text_is_as_it_was) {
    log::error("{}", "caf\xc3\xa9 \\x41 %s {}");
    EXPECT_EQ(text(), " error caf\xc3\xa9 \\x41 %s {}\n");
}

TEST_F(log_file, a_milestone_is_information) {
    log::milestone("listening on {}", "[::1]:1");
    log::set_level(log::level::warn);
    log::milestone("not wanted");
    EXPECT_EQ(text(), " info listening on [::1]:1\n");
}

#ifndef _WIN32
TEST_F(log_file, where_there_is_no_event_log_that_is_a_warning) {
    ASSERT_TRUE(log::configure({.file = folder / "log", .console = false, .event_source = "co_wq_test"}));
    log::error("goes on");
    EXPECT_EQ(text(), " warning the event log cannot be opened: " + error(errc::not_supported).message() +
                          "\n error goes on\n");
}
#endif
