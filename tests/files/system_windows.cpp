#include <windows.h>

#include <filesystem>

#include "system.hpp"

namespace co_wq::io::test {

std::size_t open_descriptors() {
    std::size_t count = 0;
    for (std::intptr_t number = 4; number < 16 * 1024; number += 4)
        count += ::GetFileType(reinterpret_cast<HANDLE>(number)) == FILE_TYPE_DISK;
    return count;
}

bool link_to(const std::string& target, const std::string& path) {
    const std::filesystem::path from(path), to(target);
    constexpr DWORD without_privilege = 2, folder_flag = SYMBOLIC_LINK_FLAG_DIRECTORY;
    const bool folder = std::filesystem::is_directory(from.parent_path() / to);
    (void)::CreateSymbolicLinkW(from.c_str(), std::filesystem::path(to).make_preferred().c_str(),
                                without_privilege | (folder ? folder_flag : 0));
    const DWORD there = ::GetFileAttributesW(from.c_str());
    return there != INVALID_FILE_ATTRIBUTES && (there & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
}

bool there(const std::string& path) {
    return ::GetFileAttributesW(std::filesystem::path(path).c_str()) != INVALID_FILE_ATTRIBUTES;
}

bool replace(const std::string& from, const std::string& to) {
    std::error_code failure;
    std::filesystem::rename(to, to + ".old", failure);
    if (!failure) std::filesystem::rename(from, to, failure);
    return !failure;
}

}  // namespace co_wq::io::test
