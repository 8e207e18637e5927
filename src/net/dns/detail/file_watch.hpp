// file_watch: whether a file of the system's configuration has changed.
//
// Guarantees: looks at the file once a second at most; a look is two or three system calls. A file that was written
//             within two seconds before it was read counts as changed once more, because its time may not show a write
//             that came after. What is no regular file (a pipe would block) is not there.
// Threads:    one.
#pragma once

#include <filesystem>
#include <string>

#include "base/clock.hpp"

namespace co_wq::net::dns::detail {

class file_watch {
public:
    enum class state : unsigned char { same, changed, gone };

    explicit file_watch(std::string path) : path_(std::move(path)) {}

    const std::string& path() const noexcept { return path_; }
    // Against what the last look that said `changed` saw; whoever is told so reads the file. now: the loop's.
    state look(time_point now) noexcept;
    // The next look is made at once, and says `changed` if there is a file.
    void forget() noexcept {
        look_again_ = time_point{};
        known_ = false;
    }

private:
    std::string path_;
    time_point look_again_{};
    std::filesystem::file_time_type written_{};
    std::uintmax_t size_ = 0;
    bool known_ = false;   // written_ and size_ are those of what was read
    bool settled_ = true;  // nobody was writing when it was read
};

}  // namespace co_wq::net::dns::detail
