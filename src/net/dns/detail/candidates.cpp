#include "net/dns/detail/candidates.hpp"

#include "base/assert.hpp"

namespace co_wq::net::dns::detail {

result<io::socket_address> parse_numeric(std::string_view host, std::uint16_t port, families wanted) {
    // names end in a letter, or are refused; so most names are told apart without parsing
    const bool maybe = !host.empty() && ((host.back() >= '0' && host.back() <= '9') || host.find(':') != host.npos);
    if (!maybe) return fail(errc::invalid_argument);
    const result<io::socket_address> parsed = io::socket_address::parse(host, port);
    if (!parsed) return parsed;
    const bool is_ipv6 = parsed->family() == io::address_family::ipv6;
    if (is_ipv6 ? !wants_ipv6(wanted) : !wants_ipv4(wanted)) return fail(errc::name_no_data);
    return parsed;
}

result<address_list> merge(const answer* ipv4, const answer* ipv6, std::uint16_t port, families wanted) {
    candidates order(wanted);
    if (ipv4 && *ipv4) order.add(io::address_family::ipv4, (*ipv4)->addresses);
    if (ipv6 && *ipv6) order.add(io::address_family::ipv6, (*ipv6)->addresses);
    if (order.empty()) {
        if (!ipv4) return std::unexpected(ipv6->error());
        if (!ipv6) return std::unexpected(ipv4->error());
        const bool first = weight_of_name_error(ipv4->error().code()) >= weight_of_name_error(ipv6->error().code());
        return std::unexpected((first ? ipv4 : ipv6)->error());
    }
    address_list list;
    list.reserve(order.size());
    while (!order.empty()) {
        list.push_back(order.next());
        list.back().set_port(port);
    }
    return list;
}

// A server that failed may hide an address; "no such name" from one family and "no address" from the other come from
// servers that answer AAAA wrongly (RFC 4074): the name exists.
int weight_of_name_error(errc code) noexcept {
    switch (code) {
        case errc::name_not_found: return 1;
        case errc::name_no_data: return 2;
        case errc::name_server_failed: return 3;
        case errc::timed_out: return 4;
        default: return 5;
    }
}

// The nearer to the service the failure was, the more it says about it; what we lack ourselves says most.
int weight_of_connect_error(errc code) noexcept {
    switch (code) {
        case errc::too_many_files:
        case errc::no_buffers:
        case errc::out_of_memory: return 9;
        case errc::connection_refused: return 8;
        case errc::connection_reset:
        case errc::connection_aborted: return 7;
        case errc::timed_out: return 6;
        case errc::permission_denied: return 5;
        case errc::host_unreachable: return 4;
        case errc::network_unreachable:
        case errc::network_down: return 3;
        case errc::address_not_available:
        case errc::not_supported: return 2;
        default: return 1;
    }
}

const io::socket_address& candidates::next() noexcept {
    CO_WQ_REQUIRE(!empty(), "there is a candidate left");
    const bool take_ipv4 = ipv6_.empty() || (ipv4_next_ && !ipv4_.empty());
    ipv4_next_ = !take_ipv4;
    return *(take_ipv4 ? ipv4_ : ipv6_).first++;
}

}  // namespace co_wq::net::dns::detail
