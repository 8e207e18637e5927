#include "net/dns/host_name.hpp"

namespace co_wq::net::dns {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_allowed(char c) noexcept { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_'; }

std::string_view without_last_dot(std::string_view name) noexcept {
    if (name.ends_with('.')) name.remove_suffix(1);
    return name;
}

bool is_number(std::string_view label) noexcept {
    const bool hexadecimal = label.starts_with("0x");
    if (hexadecimal) label.remove_prefix(2);
    for (const char c : label)
        if (!(hexadecimal ? is_hex(c) : is_digit(c))) return false;
    return true;
}

bool is_under(std::string_view name, std::string_view domain) noexcept {
    name = without_last_dot(name);
    if (!name.ends_with(domain)) return false;
    return name.size() == domain.size() || name[name.size() - domain.size() - 1] == '.';
}

}  // namespace

result<void> normalize_host_name(std::string& name) noexcept {
    const std::size_t length = without_last_dot(name).size();
    if (length == 0 || length > host_name_max) return fail(errc::invalid_argument);
    std::size_t label_start = 0;
    for (std::size_t i = 0; i < length; ++i) {
        char& c = name[i];
        if (c == '.') {
            if (i == label_start || i - label_start > host_label_max) return fail(errc::invalid_argument);
            label_start = i + 1;
            continue;
        }
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (!is_allowed(c)) return fail(errc::invalid_argument);
    }
    const std::string_view last = std::string_view(name).substr(label_start, length - label_start);
    if (last.empty() || last.size() > host_label_max || is_number(last)) return fail(errc::invalid_argument);
    return {};
}

bool is_localhost_name(std::string_view name) noexcept { return is_under(name, "localhost"); }

bool is_invalid_name(std::string_view name) noexcept { return is_under(name, "invalid"); }

bool is_onion_name(std::string_view name) noexcept { return is_under(name, "onion"); }

}  // namespace co_wq::net::dns
