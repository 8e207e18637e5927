#include "proxy/upstream/parent_checks.hpp"

#include "io/reactor.hpp"
#include "net/dns/connect_host.hpp"
#include "net/tls/errors.hpp"
#include "proxy/upstream/conversation.hpp"
#include "proxy/upstream/parent_set.hpp"
#include "sync/deadline.hpp"
#include "sync/sleep.hpp"

namespace co_wq::proxy::upstream {

task<void> parent_checks::run() {
    for (;;) {
        changed_.reset();
        const std::shared_ptr<const policy::engine> rules = server_.group().rules();
        counting_scope checks(server_.loop());
        if (const auto& live = rules->chosen().live_parents)
            for (const std::shared_ptr<live_parent>& each : live->all())
                if (each->chosen().check != policy::parent_check::none)
                    checks.spawn(check_for_ever(*rules, *each), "parent check");
        const result<void> woken = co_await changed_.wait();
        if (!woken) co_return;
    }
}

task<void> parent_checks::check_for_ever(const policy::engine& rules, live_parent& one) {
    for (;;) {
        std::string why;
        const result<void> good = co_await with_timeout(one.chosen().check_timeout, check(rules, one, why));
        if (good) {
            one.succeeded();
        } else if (good.error() == errc::stopped) {
            co_return;
        } else if (outcome_of(good.error()).what == outcome::fault::parent) {  // and not want of our own
            one.count().checks_failed.fetch_add(1, std::memory_order_relaxed);
            one.failed("its check: " + (why.empty() ? good.error().message() : why), server_.loop().now());
        }
        const result<void> slept = co_await sleep_for(one.chosen().check_interval);
        if (!slept) co_return;
    }
}

task<result<void>> parent_checks::check(const policy::engine& rules, const live_parent& one, std::string& why) {
    const policy::parent& chosen = one.chosen();
    net::dns::connect_options how;
    how.source_ipv4 = rules.chosen().way.egress_ipv4;
    how.source_ipv6 = rules.chosen().way.egress_ipv6;
    how.allow = [&rules](const io::socket_address& peer) { return !rules.is_own(peer); };
    result<net::dns::connected> made =
        co_await net::dns::connect_host(server_.loop(), server_.resolver(), chosen.host, chosen.port, std::move(how));
    if (!made && made.error() == errc::permission_denied) {
        why = "is this proxy itself";
        co_return fail(errc::connection_refused);
    }
    if (!made) co_return std::unexpected(made.error());
    net::tls::connection stream(net::tcp_stream(std::move(made->socket)));
    if (one.tls()) {
        result<net::tls::connection> secured = co_await secure(stream.take_tcp(), one);
        if (!secured) {
            if (secured.error() != errc::stopped && secured.error() != errc::timed_out)
                why = net::tls::explain(secured.error());
            co_return std::unexpected(secured.error());
        }
        stream = std::move(*secured);
    }
    if (chosen.check != policy::parent_check::connect) co_return result<void>();
    http::authority target;
    target.host = chosen.check_host;
    target.port = chosen.check_port;
    if (const auto numeric = io::socket_address::parse(target.host, target.port))
        target.kind = numeric->family() == io::address_family::ipv6 ? http::host_kind::ipv6 : http::host_kind::ipv4;
    io::lease behind;
    outcome said = co_await open_through(stream, one, target, behind);
    if (said.what == outcome::fault::none) co_return result<void>();
    if (said.what == outcome::fault::stopped || said.code == errc::timed_out) co_return std::unexpected(said.code);
    why = std::move(said.why);
    co_return fail(errc::connection_refused);
}

namespace {

std::string wrong_with_egress(const io::socket_address& one) {
    if (one.family() == io::address_family::none) return {};
    io::socket_calls& calls = io::system_calls();
    const result<io::native_handle> probe = calls.open_datagram(one.family());
    if (!probe) return {};  // told when something is dialled
    const result<void> bound = calls.bind_datagram(*probe, one, false);
    calls.close(*probe);
    if (bound || bound.error() != errc::address_not_available) return {};
    return "egress " + one.host() + ": no address of this machine";
}

std::string wrong_with_way(const policy::wanted_way& one) {
    const std::string wrong = wrong_with_egress(one.egress_ipv4);
    return wrong.empty() ? wrong_with_egress(one.egress_ipv6) : wrong;
}

}  // namespace

std::string prepare_ways(policy::settings& chosen, const policy::settings* before) {
    std::string wrong = wrong_with_way(chosen.way);
    for (const policy::policy& each : chosen.policies) {
        if (wrong.empty()) wrong = wrong_with_way(each.way);
        for (const policy::rule& one : each.rules)
            if (wrong.empty()) wrong = wrong_with_way(one.way);
    }
    if (wrong.empty() && !chosen.parents.empty())
        chosen.live_parents = parent_set::make(chosen, before ? before->live_parents.get() : nullptr, wrong);
    return wrong;
}

}  // namespace co_wq::proxy::upstream
