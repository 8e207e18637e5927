// reload: what the command line and its files say now.
//
// For:        SIGHUP. The words are those the program was started with; the config file and the users' files may say
//             something else than then.
// Threads:    any; reads files, so not on a loop.
#pragma once

#include <string>
#include <vector>

#include "proxy/options.hpp"
#include "proxy/tls_doors.hpp"

namespace co_wq::proxy {

struct read_again_result {
    options chosen;
    std::vector<tls_read> tls;          // of its listeners
    std::vector<std::string> problems;  // any: the others are of no use
};
read_again_result read_again(const program& self);

}  // namespace co_wq::proxy
