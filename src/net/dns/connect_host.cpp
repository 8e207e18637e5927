#include "net/dns/connect_host.hpp"

#include <optional>

#include "net/dns/detail/candidates.hpp"
#include "net/dns/detail/decode.hpp"
#include "net/dns/detail/engine.hpp"
#include "net/dns/host_name.hpp"
#include "sync/deadline.hpp"
#include "sync/event.hpp"
#include "task/yield.hpp"

namespace co_wq::net::dns {
namespace {

// Where nobody listens, TCP's simultaneous open lets a socket meet itself if the system chooses the port it connects
// to as its own.
bool is_connected_to_itself(const io::socket& made, const io::socket_address& peer) noexcept {
    if (!peer.is_loopback()) return false;
    const result<io::socket_address> own = made.local_address();
    return own && *own == peer;
}

// source: of the peer's family, or none.
task<result<io::socket>> connect_one(io::event_loop& loop, io::socket_address peer, io::socket_address source) {
    const result<io::native_handle> handle = loop.reactor().calls().open_stream(peer.family());
    if (!handle) co_return std::unexpected(handle.error());
    io::socket made(loop, *handle, io::descriptor_kind::stream);
    if (source.family() != io::address_family::none) {
        const result<void> bound = loop.reactor().calls().bind_source(*handle, source);
        if (!bound) co_return std::unexpected(bound.error());
    }
    (void)made.set_no_delay(true);
    const result<void> done = co_await made.connect(peer);
    if (!done) co_return std::unexpected(done.error());
    if (is_connected_to_itself(made, peer)) {
        made.reset();
        co_return fail(errc::connection_refused);
    }
    co_return made;
}

task<void> wait_for(event& one) { (void)co_await one.wait(); }

// One connect_host under way. Lives in its frame; its children refer to it and are destroyed before it.
class race {
public:
    race(io::event_loop& loop, std::uint16_t port, const connect_options& options, cancel_scope* outer)
        : loop_(loop),
          options_(options),
          port_(port),
          began_(loop.now()),
          candidates_(options.wanted),
          ipv4_(changed_),
          ipv6_(changed_),
          attempts_(loop, outer) {}

    task<result<connected>> to_address(io::socket_address numeric) {
        numeric_ = {numeric};
        candidates_.add(numeric.family(), numeric_);
        co_return co_await run();
    }

    task<result<connected>> to_name(detail::engine& names, const std::string& host) {
        detail::question what{.both_families = wants_ipv4(options_.wanted) && wants_ipv6(options_.wanted)};
        what.type = record_type::aaaa;
        if (wants_ipv6(options_.wanted)) ipv6_.start(names, host, what);
        what.type = record_type::a;
        if (wants_ipv4(options_.wanted)) ipv4_.start(names, host, what);
        co_await resolve();
        co_return co_await run();
    }

private:
    // Sets the event that the driver waits for.
    struct side : detail::search {
        explicit side(event& changed) noexcept
            : search([](search& self) noexcept { static_cast<side&>(self).changed_.set(); }), changed_(changed) {}
        bool has_addresses() const noexcept { return done() && get(); }
        bool taken = false;  // its addresses are among the candidates
        event& changed_;
    };

    bool stopped() noexcept { return attempts_.cancellation().cancelled(); }
    bool pending(const side& one, bool wanted) const noexcept { return wanted && !one.done() && numeric_.empty(); }
    bool names_pending() const noexcept {
        return pending(ipv4_, wants_ipv4(options_.wanted)) || pending(ipv6_, wants_ipv6(options_.wanted));
    }

    // Until something has changed, or the time has come.
    task<void> change_until(time_point when) {
        co_await with_deadline(when, wait_for(changed_));
        changed_.reset();
    }

    // RFC 8305 section 3: addresses of the family that comes first start at once; the others wait a little for them.
    task<void> resolve() {
        const side& first = wants_ipv4_first(options_.wanted) ? ipv4_ : ipv6_;
        const side& second = &first == &ipv4_ ? ipv6_ : ipv4_;
        time_point patience = no_deadline;
        while (names_pending() && !first.has_addresses() && !stopped() && loop_.now() < patience) {
            if (second.has_addresses() && patience == no_deadline)
                patience = saturating_add(loop_.now(), options_.resolution_delay);
            co_await change_until(patience);
        }
    }

    void take_names() noexcept {
        for (side* one : {&ipv6_, &ipv4_}) {
            if (one->taken || !one->has_addresses()) continue;
            one->taken = true;
            candidates_.add(one == &ipv6_ ? io::address_family::ipv6 : io::address_family::ipv4, one->get()->addresses);
        }
    }

    void failed(error why) noexcept {
        const auto weight = detail::weight_of_connect_error;
        if (!failure_ || weight(why.code()) > weight(failure_->code())) failure_ = why;
    }

    void start(io::socket_address peer) {
        peer = detail::without_mapping(peer);  // the system would connect over IPv4: the filter is to know
        peer.set_port(port_);
        const bool ipv4 = peer.family() == io::address_family::ipv4;
        if (!(ipv4 ? wants_ipv4(options_.wanted) : wants_ipv6(options_.wanted)))
            return failed(errc::address_not_available);  // of the family that has no source address, say
        if (options_.allow && !options_.allow(peer)) return failed(errc::permission_denied);
        if (started_++ == 0) first_attempt_ = loop_.now();
        ++running_;
        next_start_ = saturating_add(loop_.now(), options_.attempt_delay);
        attempts_.spawn(attempt(*this, peer), "connect");
    }

    static task<void> attempt(race& me, io::socket_address peer) {
        result<io::socket> made = co_await connect_one(me.loop_, peer, me.source_for(peer));
        me.ended(std::move(made), peer);
    }

    void ended(result<io::socket> made, const io::socket_address& peer) {
        --running_;
        changed_.set();
        if (!made) {
            failed(made.error());
            next_start_ = time_point{};  // the next one need not wait
        } else if (!winner_) {
            const time_point now = loop_.now();
            winner_.emplace(std::move(*made), peer, connect_timings{first_attempt_ - began_, now - first_attempt_});
        }
    }

    task<result<connected>> run() {
        while (!winner_ && !stopped()) {
            take_names();
            const bool more = !candidates_.empty() && started_ < options_.attempts_max;
            if (more && (running_ == 0 || loop_.now() >= next_start_)) {
                start(candidates_.next());
                continue;
            }
            if (!more && running_ == 0 && (started_ >= options_.attempts_max || !names_pending())) break;
            const time_point until = more ? next_start_ : no_deadline;
            co_await change_until(until);
        }
        const bool cancelled = stopped();
        attempts_.request_stop();  // keeps the first reason
        co_await attempts_.join();
        if (winner_) co_return std::move(*winner_);
        if (cancelled) co_return fail(attempts_.cancellation().reason());
        co_return std::unexpected(reason());
    }

    io::socket_address source_for(const io::socket_address& peer) const noexcept {
        return peer.family() == io::address_family::ipv6 ? options_.source_ipv6 : options_.source_ipv4;
    }

    // Why there is no connection.
    error reason() const {
        if (failure_) return *failure_;
        const result<address_list> none = detail::merge(ipv4_.done() ? &ipv4_.get() : nullptr,
                                                        ipv6_.done() ? &ipv6_.get() : nullptr, port_, options_.wanted);
        CO_WQ_ASSERT(!none, "addresses were tried, or refused by the filter");
        return none.error();
    }

    io::event_loop& loop_;
    const connect_options& options_;
    const std::uint16_t port_;
    const time_point began_;
    time_point first_attempt_{};
    time_point next_start_{};
    detail::candidates candidates_;
    address_list numeric_;
    event changed_;
    side ipv4_, ipv6_;
    std::size_t started_ = 0;
    std::size_t running_ = 0;
    std::optional<error> failure_;
    std::optional<connected> winner_;
    counting_scope attempts_;  // last, so that its children go first
};

// Of the families that are wanted, those with a source address, if any has one.
families with_source(const connect_options& options) noexcept {
    const bool v4 = options.source_ipv4.family() == io::address_family::ipv4;
    const bool v6 = options.source_ipv6.family() == io::address_family::ipv6;
    if (v4 == v6) return options.wanted;
    return v4 ? families::ipv4_only : families::ipv6_only;
}

}  // namespace

task<result<connected>> connect_host(io::event_loop& loop, resolver& names, std::string host, std::uint16_t port,
                                     connect_options options) {
    CO_WQ_REQUIRE(options.attempts_max > 0, "at least one attempt is allowed");
    const families chosen = with_source(options);
    if (chosen != options.wanted && wants_ipv4(chosen) != wants_ipv4(options.wanted) &&
        wants_ipv6(chosen) != wants_ipv6(options.wanted))
        co_return fail(errc::address_not_available);  // one family is wanted, and the other has a source
    options.wanted = chosen;
    const result<io::socket_address> numeric = detail::parse_numeric(host, port, options.wanted);
    if (!numeric && numeric.error() != errc::invalid_argument) co_return std::unexpected(numeric.error());
    if (!numeric) {
        const result<void> good = normalize_host_name(host);
        if (!good) co_return std::unexpected(good.error());
    }
    const task_env& env = co_await this_task::environment();
    race under_way(loop, port, options, env.scope);
    if (numeric) co_return co_await under_way.to_address(*numeric);
    co_return co_await under_way.to_name(names.engine(), host);
}

}  // namespace co_wq::net::dns
