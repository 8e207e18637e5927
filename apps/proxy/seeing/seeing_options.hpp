// The options of the access log and the admin listener.
#pragma once

#include <string>

#include "base/result.hpp"
#include "io/socket_address.hpp"

namespace CLI {
class App;
}

namespace co_wq::proxy {

struct seeing_options {
    std::string access_log;  // a path, "-" for standard output; empty: none
    std::string format = "text";
    bool json() const noexcept { return format == "json"; }
    bool query = false;  // log query strings
    double sample = 1;   // the share of unremarkable requests that is logged
    std::string admin;   // ADDRESS:PORT; empty: none
    bool admin_open = false;
};

void add_seeing_options(CLI::App& app, seeing_options& out);
// False: wrong says what.
bool check_seeing(const seeing_options& given, std::string& wrong);

// "127.0.0.1:9100", "[::1]:9100"; port 0 is any.
result<io::socket_address> parse_admin_address(const std::string& text);

}  // namespace co_wq::proxy
