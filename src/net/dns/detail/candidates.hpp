// candidates: the order in which addresses are tried, as pure functions and values.
//
// Source:   RFC 8305 section 4 (families alternate; First Address Family Count 1).
#pragma once

#include <string_view>

#include "net/dns/detail/answer.hpp"

namespace co_wq::net::dns::detail {

// The address if host is one ("192.0.2.1", "2001:db8::1"); invalid_argument if it is not; name_no_data if its family
// is not wanted.
result<io::socket_address> parse_numeric(std::string_view host, std::uint16_t port, families wanted);

// Both answers as one list; null: not asked. Without any address the error that says most.
result<address_list> merge(const answer* ipv4, const answer* ipv6, std::uint16_t port, families wanted);

// Which of two reasons tells more: about names, and about connection attempts. Higher is more.
int weight_of_name_error(errc code) noexcept;
int weight_of_connect_error(errc code) noexcept;

// Addresses yet to be tried. More may be added while the first are being tried already.
class candidates {
public:
    explicit candidates(families order) noexcept : ipv4_next_(wants_ipv4_first(order)) {}

    // The list must live as long as this does.
    void add(io::address_family family, const address_list& more) noexcept {
        (family == io::address_family::ipv6 ? ipv6_ : ipv4_) = {more.data(), more.data() + more.size()};
    }
    bool empty() const noexcept { return ipv4_.empty() && ipv6_.empty(); }
    std::size_t size() const noexcept { return ipv4_.size() + ipv6_.size(); }
    // Requires: not empty.
    const io::socket_address& next() noexcept;

private:
    struct range {
        const io::socket_address* first = nullptr;
        const io::socket_address* last = nullptr;
        bool empty() const noexcept { return first == last; }
        std::size_t size() const noexcept { return static_cast<std::size_t>(last - first); }
    };
    range ipv4_, ipv6_;
    bool ipv4_next_;
};

}  // namespace co_wq::net::dns::detail
