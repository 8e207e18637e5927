// hosts_file: the names that the system's administrator has given, without a query.
//
// For:        /etc/hosts. A table of our own and not c-ares' lookup, because that one reads the file again, on the
//             loop's thread, for every question; this one looks at the file's time once a second at most.
// Guarantees: all addresses of all lines of a name, in the file's order. Lines that make no sense are skipped. A name
//             that has addresses of one family only is answered with name_no_data for the other: no server is asked.
// Threads:    the loop's own.
// Source:     hosts(5)
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "net/dns/detail/answer.hpp"

namespace co_wq::net::dns::detail {

class hosts_file {
public:
    explicit hosts_file(std::string path) : path_(std::move(path)) {}

    // Null when the file does not have the name (normalized). now: the loop's.
    answer_ptr find(std::string_view name, io::address_family family, time_point now);
    // The next find reads the file.
    void forget() noexcept {
        look_again_ = time_point{};
        loaded_ = false;
    }

private:
    struct entry {
        answer_ptr ipv4, ipv6;
    };
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
    };
    void refresh();
    void read();

    std::string path_;
    time_point look_again_{};
    std::filesystem::file_time_type written_{};
    bool loaded_ = false;
    std::unordered_map<std::string, entry, hash, std::equal_to<>> names_;
};

}  // namespace co_wq::net::dns::detail
