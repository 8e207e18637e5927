// Control groups as files: a folder like /sys/fs/cgroup, which goes away.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/temp_folder.hpp"

namespace co_wq::test {

class group_tree : public ::testing::Test {
protected:
    void set(const std::string& file, const std::string& text) const {
        const std::filesystem::path path = folder_.path() / file;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text << '\n';
    }

    std::string mount() const { return folder_.path().string(); }

private:
    temp_folder folder_;
};

}  // namespace co_wq::test
