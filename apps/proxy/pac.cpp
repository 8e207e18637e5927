#include "proxy/pac.hpp"

#include <fmt/format.h>

namespace co_wq::proxy {

bool names_pac_file(std::string_view path) noexcept {
    const std::string_view file = path.substr(0, path.find('?'));
    return file == "/proxy.pac" || file == "/wpad.dat";
}

// An authority holds no character that could end the string it stands in (http/target.hpp).
void write_pac_answer(http::byte_buffer& out, const http::authority& here, bool secured, bool without_body,
                      bool keep_alive) {
    http::byte_buffer name;
    http::append_authority(name, here);
    const std::string script = fmt::format(
        "function FindProxyForURL(url, host) {{\n"
        "    if (isPlainHostName(host) || host == \"127.0.0.1\" || host == \"::1\" ||\n"
        "        dnsDomainIs(host, \".localhost\")) return \"DIRECT\";\n"
        "    return \"{} {}\";\n"
        "}}\n",
        secured ? "HTTPS" : "PROXY", name.text());
    out.append(
        fmt::format("HTTP/1.1 200 OK\r\n"
                    "Content-Type: application/x-ns-proxy-autoconfig\r\n"
                    "Cache-Control: no-cache\r\n"
                    "Content-Length: {}\r\n{}\r\n",
                    script.size(), keep_alive ? "" : "Connection: close\r\n"));
    if (!without_body) out.append(script);
}

}  // namespace co_wq::proxy
