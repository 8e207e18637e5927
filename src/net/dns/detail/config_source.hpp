// config_source: the system's configuration of names, and whether it has changed: a file as resolv.conf(5) has it, or
// the settings of a system that keeps them elsewhere (base/os/names.hpp).
//
// Guarantees: looks once a second at most. Of a file, 64 KiB are read; what is no regular file is empty.
// Threads:    one.
#pragma once

#include <memory>
#include <string>

#include "base/os/names.hpp"
#include "net/dns/detail/file_watch.hpp"

namespace co_wq::net::dns::detail {

class config_source {
public:
    // Empty: there is none.
    explicit config_source(std::string path);

    // True: whoever is told so reads it. now: the loop's.
    bool has_changed(time_point now) noexcept;
    std::string text();

private:
    file_watch file_;
    std::unique_ptr<os::name_settings> settings_;
    time_point look_again_{};
};

}  // namespace co_wq::net::dns::detail
