#include "proxy/config/parent_url.hpp"

#include <algorithm>

#include "http/target.hpp"

namespace co_wq::proxy::config {
namespace {

constexpr const char* example = "write \"http://host:port\", \"https://host:port\" or \"socks5://host:port\"";

int hex_of(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// False: a percent sign without two digits.
bool decode(std::string_view text, std::string& out) {
    out.clear();
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            out += text[at];
            continue;
        }
        const int high = at + 2 < text.size() ? hex_of(text[at + 1]) : -1;
        const int low = at + 2 < text.size() ? hex_of(text[at + 2]) : -1;
        if (high < 0 || low < 0) return false;
        out += static_cast<char>(high * 16 + low);
        at += 2;
    }
    return true;
}

bool has_control(std::string_view text) noexcept {
    return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

}  // namespace

std::string read_parent_url(std::string_view text, policy::parent& out) {
    std::optional<std::uint16_t> port;
    const auto scheme = [&](std::string_view name, policy::parent_kind kind) {
        if (!text.starts_with(name)) return false;
        text.remove_prefix(name.size());
        out.kind = kind;
        return true;
    };
    if (scheme("socks5://", policy::parent_kind::socks5)) {
        port = std::uint16_t{1080};
    } else if (!scheme("http://", policy::parent_kind::http) && !scheme("https://", policy::parent_kind::https)) {
        return text.starts_with("socks5h://") ? "write socks5:// and resolve = \"parent\""
                                              : std::string("no parent: ") + example;
    }
    if (text.ends_with('/')) text.remove_suffix(1);
    if (text.find_first_of("/?#") != text.npos)
        return std::string("a parent has no path (in a password / is written %2F): ") + example;
    if (const std::size_t at = text.rfind('@'); at != text.npos) {
        const std::string_view who = text.substr(0, at);
        const std::size_t colon = std::min(who.find(':'), who.size());
        if (!decode(who.substr(0, colon), out.user) ||
            !decode(who.substr(std::min(colon + 1, who.size())), out.password))
            return "in user and password a percent sign is written %25";
        if (out.user.empty()) return "there is an @ without a user before it";
        text.remove_prefix(at + 1);
    }
    http::authority where;
    if (!http::parse_authority(text, port, where)) return std::string("no host with a port: ") + example;
    if (where.port == 0) return "a port is a number from 1 to 65535";
    out.host = where.host;
    out.port = where.port;
    return {};
}

std::string wrong_with_credentials(const policy::parent& one) {
    if (one.user.empty()) return one.password.empty() ? std::string() : "a password without a user";
    if (has_control(one.user) || has_control(one.password)) return "user and password hold no control characters";
    if (one.kind == policy::parent_kind::socks5) {
        if (one.user.size() > 255 || one.password.size() > 255)
            return "SOCKS 5 has users and passwords of at most 255 bytes";
        if (one.password.empty()) return "SOCKS 5 knows no user without a password";
        return {};
    }
    if (one.user.find(':') != one.user.npos) return "a user of HTTP has no colon in its name";
    if (one.user.size() + one.password.size() > 4096) return "user and password are of at most 4096 bytes";
    return {};
}

std::string add_parents(const std::vector<std::string>& urls, policy::settings& out) {
    if (urls.empty()) return {};
    if (!out.parents.empty()) return "--parent is for a config file without parents: write them into the file";
    policy::parent_group all;
    all.name = "command-line";
    for (const std::string& each : urls) {
        policy::parent one;
        one.name = "parent" + std::to_string(out.parents.size() + 1);
        std::string wrong = read_parent_url(each, one);
        if (wrong.empty()) wrong = wrong_with_credentials(one);
        if (!wrong.empty()) return "--parent (number " + std::to_string(out.parents.size() + 1) + "): " + wrong;
        all.parents.push_back(one.name);
        out.parents.push_back(std::move(one));
    }
    out.way.via = all.name;
    out.parent_groups.push_back(std::move(all));
    return {};
}

}  // namespace co_wq::proxy::config
