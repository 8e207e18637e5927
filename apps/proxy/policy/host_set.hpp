// Destinations as text: what a host is that somebody asked for, and sets of names that rules look it up in.
//
// For:        rules on hosts. Names are compared in lower case and without the dot at their end, international ones as
//             A-labels ("xn--bcher-kva.example").
// Guarantees: a host that some program reads as a number, but that is no address in its usual form (octal, hexadecimal,
//             fewer parts, an IPv6 zone), is neither name nor address: bad. A lookup costs one probe per label,
//             however large the set is.
// Errors:     add() says in words what is wrong and what to write instead.
// Threads:    reading: any. Lifetime: plain values.
//
//   host_set set;
//   set.add("*.debian.org");                                // every name under debian.org, not debian.org itself
//   set.has(destination::from("deb.debian.org.").name);     // true
#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "proxy/policy/ip_address.hpp"

namespace co_wq::proxy::policy {

struct destination {
    enum class kind : std::uint8_t { bad, name, address };
    kind what = kind::bad;
    std::string name{};  // of a name: lower case, no dot at the end
    ip_address address{};

    // host: without brackets and port, from anywhere.
    static destination from(std::string_view host);
};

class host_set {
public:
    // "github.com", "*.debian.org" or "*".
    std::expected<void, std::string> add(std::string_view pattern);
    bool has(std::string_view name) const;
    bool empty() const noexcept { return !all_ && exact_.empty() && under_.empty(); }

private:
    struct hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    using names = std::unordered_set<std::string, hash, std::equal_to<>>;
    names exact_, under_;
    bool all_ = false;
};

}  // namespace co_wq::proxy::policy
