// system_config: what the system's administrator says about names: resolv.conf(5), LOCALDOMAIN and RES_OPTIONS.
//
// For:        the engine. Read here and not by c-ares 1.18, which knows neither `timeout`, `attempts`, `use-vc`,
//             `edns0` nor `no-tld-query`, and reads the file once only.
// Guarantees: pure functions of text. What makes no sense, or is not known, is passed over, as glibc does; the bounds
//             are glibc's (ndots 15, timeout 30 s, attempts 5) or stated below.
// Not read:   sortlist, single-request, trust-ad and others that are about glibc itself; servers with a zone
//             ("fe80::1%eth0"), which c-ares 1.18 cannot ask.
// Source:     resolv.conf(5).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns::detail {

inline constexpr std::size_t servers_max = 16;
inline constexpr std::size_t search_domains_max = 32;
inline constexpr unsigned ndots_max = 15;

struct system_config {
    std::vector<std::string> servers{};  // as c-ares reads them: "192.0.2.1", "[2001:db8::1]"
    std::vector<std::string> search{};   // normalized, without a dot at the end; empty text: the root
    unsigned ndots = 1;
    std::optional<duration> timeout{};
    std::optional<int> attempts{};
    bool rotate = false;
    bool use_tcp = false;
    bool edns = false;
    bool tld_query = true;  // whether a name without dots is asked for as it is
    bool reload = true;

    friend bool operator==(const system_config&, const system_config&) = default;
};

// host_name: the machine's own, whose domain is the search list if the file has none; may be empty.
system_config parse_resolv_conf(std::string_view text, std::string_view host_name);
// LOCALDOMAIN: a search list that replaces the file's. RES_OPTIONS: more options. Null: not set.
void apply_environment(system_config& config, const char* local_domain, const char* options);

using name_room = std::array<char, host_name_max>;

// Which full names a name may stand for.
struct search_rules {
    std::vector<std::string> domains{};
    unsigned ndots = 1;
    bool tld_query = true;

    // The index-th one (0 first) of a normalized name, without a dot at the end; a part of `name` or put together in
    // `room`. Empty: this one would be too long. From count() on there is none.
    std::string_view at(std::string_view name, std::size_t index, name_room& room) const noexcept;
    std::size_t count(std::string_view name) const noexcept;
};

// As of a `search` line: normalized, each once, without those that are none.
std::vector<std::string> domains_of(const std::vector<std::string>& words);

// Whether the name is under .local, and no domain of the search list is: such names belong to multicast DNS and are not
// asked of servers (RFC 6762 section 22.1, as systemd-resolved does).
bool is_local_name(std::string_view name) noexcept;
bool uses_local_domain(const std::vector<std::string>& search) noexcept;

}  // namespace co_wq::net::dns::detail
