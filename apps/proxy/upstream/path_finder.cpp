#include "proxy/upstream/path_finder.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "proxy/dialling.hpp"
#include "proxy/session.hpp"
#include "sync/deadline.hpp"

namespace co_wq::proxy::upstream {
namespace {

using fault = outcome::fault;

constexpr std::size_t addresses_max = 3;  // of a destination, that one parent is asked for

bool another_parent_may(const outcome& failed) noexcept {
    return failed.what == fault::parent || failed.what == fault::busy;
}

http::authority authority_of(const io::socket_address& where) {
    http::authority made;
    made.host = where.host();
    made.port = where.port();
    made.kind = where.family() == io::address_family::ipv6 ? http::host_kind::ipv6 : http::host_kind::ipv4;
    return made;
}

}  // namespace

// False, so that whoever fails says it in one line.
bool path_finder::fails(outcome what) {
    failure_ = std::move(what);
    return false;
}

// What tells connections apart that are kept, besides where they go.
std::string path_finder::from_where() const {
    std::string text;
    for (const io::socket_address* each : {&route_.egress_ipv4, &route_.egress_ipv6})
        if (each->family() != io::address_family::none) text += '<' + each->host();
    return text;
}

bool path_finder::resolves_here(const live_parent& one) const noexcept {
    if (asked_.where.kind != http::host_kind::name) return false;
    switch (one.chosen().resolve) {
        case policy::resolving::here: return true;
        case policy::resolving::parent: return false;
        default: return asked_.by_address;
    }
}

bool path_finder::may_have_name(const live_parent& one) const noexcept {
    return asked_.where.kind != http::host_kind::name || !asked_.needs_address || resolves_here(one);
}

task<result<void>> path_finder::find() {
    deadline_ = saturating_add(server_.loop().now(), server_.limit().connect_timeout);
    const result<void> done = co_await with_deadline(deadline_, find_path());
    co_return done;
}

task<result<void>> path_finder::find_path() {
    const parent_set* const all = rules_.chosen().live_parents.get();
    const parent_group* const group = all ? all->find(route_.via) : nullptr;
    if (route_.via.empty()) {
        const result<void> done = co_await go_directly();
        co_return done;
    }
    if (!group) {  // never directly instead
        failure_ = outcome(fault::busy, error(errc::no_buffers), "there is no parent " + route_.via);
        co_return std::unexpected(failure_.code);
    }
    if (asked_.where.kind != http::host_kind::name) {
        const result<io::socket_address> where = io::socket_address::parse(asked_.where.host, asked_.where.port);
        if (!where || !may_(*where)) co_return fail(errc::permission_denied);
    }
    failure_ = outcome(fault::busy, error(errc::no_buffers), "no parent of " + group->name() + " is up");
    parents order = group->order(asked_.where.host, server_.loop().now());
    const auto passed_over = [this](const std::shared_ptr<live_parent>& one) { return !may_have_name(*one); };
    const auto lost = std::find_if(order.begin(), order.end(), passed_over);
    const bool all_may = lost == order.end();
    if (!all_may) {
        failure_ = outcome(fault::denied, error(errc::permission_denied),
                           "only an address could be allowed, and parent " + (*lost)->name() + " resolves the names");
        std::erase_if(order, passed_over);
    }
    for (std::size_t tried = 0; tried < order.size(); ++tried) {
        if (tried > 0) server_.count().parent_retries.add(1);
        others_follow_ = tried + 1 < order.size() || group->direct_when_down();
        const bool there = co_await try_parent(*group, order[tried]);
        if (there) co_return result<void>();
        if (!another_parent_may(failure_) || server_.loop().now() >= deadline_) break;
    }
    if (group->direct_when_down() && all_may && another_parent_may(failure_) && server_.loop().now() < deadline_) {
        log::debug("{}: directly, since {}", asked_.where.host, failure_.why);
        const result<void> done = co_await go_directly();
        co_return done;
    }
    co_return std::unexpected(failure_.code);
}

task<result<void>> path_finder::go_directly() {
    found_ = path();
    failure_ = outcome();
    if (server_.seeing().detailed() && !route_.via.empty()) note_.via = policy::direct;
    if (asked_.what != purpose::tunnel && take_kept(name_of(asked_.where))) {
        // its address was allowed to whoever had it made
        const result<io::socket_address> peer = found_.stream.peer_address();
        if (!asked_.by_address || (peer && may_(*peer))) co_return result<void>();
        found_.stream.close();
        found_.reused = false;
    }
    result<net::tls::connection> made = co_await dial(asked_.where.host, asked_.where.port, may_);
    if (!made) co_return std::unexpected(made.error());
    found_.stream = std::move(*made);
    co_return result<void>();
}

task<result<net::tls::connection>> path_finder::dial(const std::string& host, std::uint16_t port, address_filter may) {
    net::dns::connect_options how;
    how.source_ipv4 = route_.egress_ipv4;
    how.source_ipv6 = route_.egress_ipv6;
    how.allow = std::move(may);
    result<net::tls::connection> made = co_await proxy::dial(server_, note_, host, port, how);
    co_return made;
}

bool path_finder::take_kept(std::string name) {
    found_.keep_as = std::move(name) + from_where();
    if (asked_.what != purpose::request) return false;
    found_.stream = server_.pool().take(found_.keep_as);
    found_.reused = found_.stream.is_open();
    return found_.reused;
}

// failure_ says what went wrong.
task<bool> path_finder::try_parent(const parent_group& group, const std::shared_ptr<live_parent>& one) {
    found_ = path();
    found_.parent = hold(one);
    if (server_.seeing().detailed())
        note_.via = group.name() == one->name() ? one->name() : group.name() + '/' + one->name();
    if (resolves_here(*one)) {
        const bool known = co_await resolve();
        if (!known) co_return false;
        for (std::size_t at = 0; at < addresses_.size() && at < addresses_max; ++at) {
            const http::authority target = authority_of(addresses_[at]);
            const bool there = co_await try_target(*one, target);
            if (there) co_return true;
            if (failure_.what != fault::destination || server_.loop().now() >= deadline_) co_return false;
        }
        co_return false;
    }
    if (asked_.what != purpose::tunnel) {
        found_.to_proxy = one->speaks_http();
        // the number tells it from a parent that had this name before
        std::string name = '@' + std::to_string(one->number());
        if (!found_.to_proxy) name += '>' + name_of(asked_.where);
        if (take_kept(std::move(name))) co_return true;
        if (found_.to_proxy) {
            const bool there = co_await connect_to(*one);
            co_return there;
        }
    }
    const bool there = co_await try_target(*one, asked_.where);
    co_return there;
}

task<bool> path_finder::try_target(live_parent& one, const http::authority& target) {
    const bool connected = co_await connect_to(one);
    if (!connected) co_return false;
    outcome said = co_await open_through(found_.stream, one, target, found_.behind);
    if (said.what == fault::none) {
        one.succeeded();
        co_return true;
    }
    // Nobody can tell a parent that is silent from one that waits for a silent destination, and clients choose those:
    // what happens from here on takes no parent down but by its own check.
    if (said.code == errc::timed_out) said.what = fault::destination;
    if (said.what == fault::parent) one.count().failures.fetch_add(1, std::memory_order_relaxed);
    found_.stream.close();
    found_.behind.reset();
    said.why = name_of(asked_.where) + ": parent " + one.name() + ' ' + said.why;
    co_return fails(std::move(said));
}

task<result<net::tls::connection>> path_finder::dial_parent(const live_parent& one, address_filter may) {
    result<net::tls::connection> made = co_await dial(one.chosen().host, one.chosen().port, std::move(may));
    if (!made || !one.tls()) co_return made;
    result<net::tls::connection> secured = co_await secure(made->take_tcp(), one);
    co_return secured;
}

// Never to ourselves: that would be a circle.
task<bool> path_finder::connect_to(live_parent& one) {
    const policy::parent& chosen = one.chosen();
    bool ours = false;
    address_filter not_us = [this, &ours](const io::socket_address& peer) {
        ours |= rules_.is_own(peer);
        return !rules_.is_own(peer);
    };
    const time_point began = server_.loop().now();
    const duration left = std::max(deadline_ - began, duration::zero());
    const duration most = std::min(chosen.connect_timeout, others_follow_ ? left / 2 : left);
    result<net::tls::connection> made = co_await with_timeout(most, dial_parent(one, std::move(not_us)));
    if (made) {
        one.count().connects.fetch_add(1, std::memory_order_relaxed);
        if (chosen.check != policy::parent_check::connect) one.succeeded();
        found_.stream = std::move(*made);
        co_return true;
    }
    outcome failed = outcome_of(made.error());
    if (ours) failed = outcome(fault::parent, error(errc::address_not_available), "is this proxy itself");
    // a name that takes its time, which a client may have chosen, leaves none for the parent; nor may the time of the
    // whole request
    const duration enough = std::min(chosen.connect_timeout, server_.limit().connect_timeout / 2);
    const bool had_its_time = made.error() != errc::timed_out || server_.loop().now() - began >= enough;
    if (failed.what == fault::parent && had_its_time) {
        one.count().failures.fetch_add(1, std::memory_order_relaxed);
        one.failed(failed.why, server_.loop().now());
    }
    failed.why = name_of(asked_.where) + ": parent " + one.name() + ": " + failed.why;
    co_return fails(std::move(failed));
}

// The name's addresses, here, as far as they are allowed.
task<bool> path_finder::resolve() {
    if (resolved_) co_return true;
    std::string host = asked_.where.host;
    const result<net::dns::address_list> all = co_await server_.resolver().resolve(std::move(host), asked_.where.port);
    if (!all) {
        outcome unknown(fault::destination, all.error(), name_of(asked_.where) + ": " + all.error().message());
        if (all.error() == errc::stopped) unknown.what = fault::stopped;
        co_return fails(std::move(unknown));
    }
    for (io::socket_address each : *all) {
        each.set_port(asked_.where.port);
        if (may_(each)) addresses_.push_back(each);
    }
    if (addresses_.empty()) co_return fails({fault::denied, error(errc::permission_denied), {}});
    resolved_ = true;
    co_return true;
}

}  // namespace co_wq::proxy::upstream
