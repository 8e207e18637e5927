// A file for one test, whose changes show whatever the file system's clock ticks like.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace co_wq::net::dns::test {

class temp_file {
public:
    explicit temp_file(const std::string& text) : path_(testing::TempDir() + "/" + name_of_test()) { write(text); }
    temp_file(const temp_file&) = delete;
    temp_file& operator=(const temp_file&) = delete;
    ~temp_file() { std::filesystem::remove(path_); }
    void write(const std::string& text) {
        std::ofstream(path_, std::ios::binary) << text;
        const auto now = std::filesystem::file_time_type::clock::now();
        std::filesystem::last_write_time(path_, now - std::chrono::hours(1) + std::chrono::seconds(++writes_));
    }
    const std::string& path() const noexcept { return path_; }

private:
    static std::string name_of_test() {
        std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        std::replace(name.begin(), name.end(), '/', '_');
        return "dns_" + name + "_" + std::to_string(std::random_device()());  // several runs at once
    }

    std::string path_;
    int writes_ = 0;
};

}  // namespace co_wq::net::dns::test
