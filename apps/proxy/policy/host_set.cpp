#include "proxy/policy/host_set.hpp"

#include <algorithm>

#include "net/dns/host_name.hpp"

namespace co_wq::proxy::policy {

destination destination::from(std::string_view host) {
    if (const std::optional<ip_address> numeric = ip_address::parse(host))
        return {.what = kind::address, .address = *numeric};
    destination made{.name = std::string(host)};
    if (!net::dns::normalize_host_name(made.name)) return {};
    if (made.name.ends_with('.')) made.name.pop_back();
    made.what = kind::name;
    return made;
}

std::expected<void, std::string> host_set::add(std::string_view pattern) {
    if (pattern == "*") {
        all_ = true;
        return {};
    }
    const bool under = pattern.starts_with("*.");
    const std::string_view name = under ? pattern.substr(2) : pattern;
    if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
        return std::unexpected("an international name is written as its A-label, such as xn--bcher-kva.example");
    if (name.find("://") != name.npos || name.find('/') != name.npos)
        return std::unexpected("a host stands alone, without a scheme and a path");
    if (name.find(':') != name.npos) return std::unexpected("a port does not belong to a host: write it as a port");
    if (name.find('*') != name.npos) return std::unexpected("a * stands only at the beginning: *.example.org");
    if (name.starts_with('.')) return std::unexpected("for all names under it write *" + std::string(name));
    const destination read = destination::from(name);
    if (read.what != destination::kind::name)
        return std::unexpected("not a host name: write it as example.org, *.example.org or an address range");
    (under ? under_ : exact_).insert(read.name);
    return {};
}

bool host_set::has(std::string_view name) const {
    if (all_ || exact_.contains(name)) return true;
    if (under_.empty()) return false;
    for (std::size_t dot = name.find('.'); dot != name.npos; dot = name.find('.', dot + 1))
        if (under_.contains(name.substr(dot + 1))) return true;
    return false;
}

}  // namespace co_wq::proxy::policy
