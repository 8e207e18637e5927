#include "net/dns/resolver.hpp"

#include "net/dns/detail/candidates.hpp"
#include "net/dns/detail/engine.hpp"
#include "net/dns/host_name.hpp"

namespace co_wq::net::dns {

resolver::resolver(io::event_loop& loop, resolver_options options)
    : engine_(std::make_unique<detail::engine>(loop, std::move(options))) {}

resolver::~resolver() = default;

void resolver::flush() noexcept { engine_->flush(); }
void resolver::reload() { engine_->reload(); }
resolver_counters resolver::counters() const noexcept { return engine_->counters(); }

task<result<address_list>> resolver::resolve(std::string host, std::uint16_t port, families wanted) {
    const result<io::socket_address> numeric = detail::parse_numeric(host, port, wanted);
    if (numeric) co_return address_list{*numeric};
    if (numeric.error() != errc::invalid_argument) co_return std::unexpected(numeric.error());
    const result<void> good = normalize_host_name(host);
    if (!good) co_return std::unexpected(good.error());
    detail::awaited_lookup ipv4, ipv6;
    if (wants_ipv6(wanted)) engine_->ask(ipv6, host, io::address_family::ipv6);
    if (wants_ipv4(wanted)) engine_->ask(ipv4, host, io::address_family::ipv4);
    if (wants_ipv6(wanted)) {
        const result<void> come = co_await ipv6;
        if (!come) co_return std::unexpected(come.error());
    }
    if (wants_ipv4(wanted)) {
        const result<void> come = co_await ipv4;
        if (!come) co_return std::unexpected(come.error());
    }
    co_return detail::merge(ipv4.done() ? &ipv4.get() : nullptr, ipv6.done() ? &ipv6.get() : nullptr, port, wanted);
}

}  // namespace co_wq::net::dns
