// A new, empty folder that goes away, with all that is in it then, when this object does.
#pragma once

#include <filesystem>
#include <random>
#include <string>

namespace co_wq::test {

class temp_folder {
public:
    temp_folder() {
        std::random_device numbers;
        do {
            path_ = std::filesystem::temp_directory_path() / ("co_wq_" + std::to_string(numbers()));
        } while (!std::filesystem::create_directory(path_));
    }
    temp_folder(const temp_folder&) = delete;
    temp_folder& operator=(const temp_folder&) = delete;
    ~temp_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::filesystem::path& path() const noexcept { return path_; }
    // The path of something in it.
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

}  // namespace co_wq::test
