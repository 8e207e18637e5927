// Starts itself again below umockdev's preloaded library, which answers for /sys and /dev.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mock_device.hpp"

// ThreadSanitizer sees neither the locks of glib, which umockdev's thread and its callers share, nor that a caller
// waits in ioctl while that thread answers it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:mock_device\nrace:libumockdev\nrace:libglib-2.0\nrace:libgobject-2.0\nrace:libgio-2.0\nmutex:libglib-"
           "2.0\n";
}

namespace {

void start_again(char** words) {
    const char* options = std::getenv("ASAN_OPTIONS");
    const std::string with = (options ? std::string(options) + ":" : "") + "verify_asan_link_order=0";
    ::setenv("ASAN_OPTIONS", with.c_str(), 1);
    std::vector<char*> all{const_cast<char*>("umockdev-wrapper")};
    for (; *words; ++words) all.push_back(*words);
    all.push_back(nullptr);
    ::execvp(all[0], all.data());
    std::perror("umockdev-wrapper");
}

}  // namespace

int main(int count, char** words) {
    const char* preloaded = std::getenv("LD_PRELOAD");
    if (!preloaded || !std::string_view(preloaded).contains("libumockdev-preload")) {
        start_again(words);
        return 1;
    }
    testing::InitGoogleTest(&count, words);
    if (!GTEST_FLAG_GET(list_tests)) (void)co_wq::io::usb::test::device_under_test();
    return RUN_ALL_TESTS();
}
