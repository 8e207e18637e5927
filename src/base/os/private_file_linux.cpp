#include <filesystem>

#include "base/os/private_file.hpp"

namespace co_wq::os {

bool is_exposed(const std::string& path) {
    std::error_code problem;
    const auto mode = std::filesystem::status(path, problem).permissions();
    return !problem && (mode & (std::filesystem::perms::others_read | std::filesystem::perms::others_write)) !=
                           std::filesystem::perms::none;
}

}  // namespace co_wq::os
