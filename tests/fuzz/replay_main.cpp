// Runs a fuzz target over kept inputs, as a plain test: no libFuzzer, any compiler.
//
//   fuzz_NAME_replay FILE_OR_FOLDER...     the input that fails is the last one named
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::string> files_in(const char* path) {
    std::vector<std::string> found;
    if (!std::filesystem::is_directory(path)) return {path};
    for (const auto& entry : std::filesystem::directory_iterator(path))
        if (entry.is_regular_file()) found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
}

bool replay(const std::string& path) {
    std::printf("%s\n", path.c_str());
    std::fflush(stdout);
    std::ifstream file(path, std::ios::binary);
    if (!file) return false;
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto exact = std::make_unique<std::uint8_t[]>(text.size());
    std::memcpy(exact.get(), text.data(), text.size());
    LLVMFuzzerTestOneInput(exact.get(), text.size());
    return true;
}

}  // namespace

int main(int count, char** words) {
    std::size_t done = 0;
    for (int i = 1; i < count; ++i) {
        for (const std::string& path : files_in(words[i])) {
            if (!replay(path)) {
                std::fprintf(stderr, "cannot read %s\n", path.c_str());
                return 1;
            }
            ++done;
        }
    }
    if (done == 0) {
        std::fprintf(stderr, "usage: %s FILE_OR_FOLDER...: there is no input\n", words[0]);
        return 1;
    }
    std::printf("%zu inputs\n", done);
    return 0;
}
