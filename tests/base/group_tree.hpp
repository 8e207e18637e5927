// Control groups as files: a folder like /sys/fs/cgroup, which goes away.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace co_wq::test {

class group_tree : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "co_wq_groups_XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        mount = name;
    }
    void TearDown() override {
        if (!mount.empty()) std::filesystem::remove_all(mount);
    }

    void set(const std::string& file, const std::string& text) const {
        const std::filesystem::path path = std::filesystem::path(mount) / file;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text << '\n';
    }

    std::string mount;
};

}  // namespace co_wq::test
