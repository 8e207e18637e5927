#include "proxy/socks/association.hpp"

#include <fmt/format.h>

#include <array>

#include "net/dns/host_name.hpp"
#include "proxy/server.hpp"
#include "proxy/socks/admit.hpp"
#include "sync/deadline.hpp"
#include "sync/with_scope.hpp"

namespace co_wq::proxy::socks {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t slots = 8;
constexpr std::size_t slot_bytes = 64 * 1024;  // any datagram, and the header before it
constexpr std::size_t slots_per_block = io::buffer_pool::class_bytes.back() / slot_bytes;
constexpr std::size_t peers_max = 1024;
constexpr std::uint64_t denials_told = 16;  // of one association, in the log; those that are only reported count
constexpr std::size_t names_max = 64;
constexpr std::size_t waiting_per_name_max = 16;
constexpr std::size_t waiting_bytes_max = 64 * 1024;
constexpr duration name_holds = 30s;
constexpr duration failure_holds = 5s;
constexpr std::string_view destination_rule = "destination (built in)";

// Told by the socket about a datagram of before; it goes on.
bool concerns_one(error what) noexcept {
    return what == errc::connection_refused || what == errc::host_unreachable || what == errc::network_unreachable;
}
// Of sending: the next datagram would fare no better.
bool ends_all(error what) noexcept { return what == errc::stopped || what == errc::timed_out || what == errc::closed; }

bool has_route(io::event_loop& loop, const io::socket_address& to) {
    return net::udp_socket::connect_to(loop, to).has_value();
}

}  // namespace

// Where datagrams lie between their coming and their going. head: room before each of them.
struct association::batch {
    batch(io::buffer_pool& pool, std::size_t head) {
        for (io::lease& one : blocks) one = pool.take(slots_per_block * slot_bytes);
        for (std::size_t i = 0; i < slots; ++i)
            in[i].into =
                blocks[i / slots_per_block].block().subspan(i % slots_per_block * slot_bytes, slot_bytes).subspan(head);
    }
    std::array<io::lease, slots / slots_per_block> blocks;
    std::array<io::incoming, slots> in;
    std::array<io::outgoing, slots> out;
};

bool association_ledger::enter(const host_key& client, std::uint32_t most) {
    const std::scoped_lock guard(lock_);
    std::uint32_t& count = counts_[client];
    if (count < most) {
        ++count;
        return true;
    }
    if (count == 0) counts_.erase(client);
    return false;
}

void association_ledger::leave(const host_key& client) noexcept {
    const std::scoped_lock guard(lock_);
    const auto at = counts_.find(client);
    if (at != counts_.end() && --at->second == 0) counts_.erase(at);
}

association::association(proxy_server& server, asker who)
    : server_(server), who_(std::move(who)), peers_(peers_max), names_(names_max) {}

association::~association() {
    if (reserved_) server_.group().unreserve();
    if (in_ledger_) server_.group().associations().leave(host_of(who_.client));
}

result<io::socket_address> association::open(const net::tls::connection& control, const http::authority& announced) {
    server_group& group = server_.group();
    in_ledger_ = group.associations().enter(host_of(who_.client), group.chosen().udp_per_client);
    if (!in_ledger_) return fail(errc::limit_exceeded);
    reserved_ = group.reserve();  // its sockets are as many as those of a tunnel
    if (!reserved_) return fail(errc::busy);
    const result<io::socket_address> arrived = control.local_address();
    if (!arrived) return arrived;
    io::socket_address here = unmapped(*arrived);
    here.set_port(0);
    result<net::udp_socket> inner = net::udp_socket::bind(server_.loop(), here);
    if (!inner) return std::unexpected(inner.error());
    result<net::udp_socket> outer = net::udp_socket::open(server_.loop(), io::address_family::ipv6);
    outer_is_ipv6_ = outer.has_value();
    if (!outer) outer = net::udp_socket::open(server_.loop(), io::address_family::ipv4);
    if (!outer) return std::unexpected(outer.error());
    inner_ = std::move(*inner);
    outer_ = std::move(*outer);
    // an address that is not its own may be that of the other side of a NAT, and so may be the port
    const auto from = io::socket_address::parse(announced.host, announced.port);
    if (from && announced.port != 0 && host_of(*from) == host_of(who_.client)) client_udp_ = unmapped(*from);
    return inner_.local_address();
}

task<net::end_reason> association::run(net::tls::connection& control, live_tunnel* noted) {
    noted_ = noted;
    net::idle_guard guard(server_.loop(), server_.limit().idle_timeout);
    guard_ = &guard;
    co_await with_scope(guard.scope(), run_tasks(control));
    log::debug("UDP association of {}: {} datagrams out, {} in, {} dropped", who_.client.text(), up_, down_, dropped_);
    const bool idle = guard.scope().cancelled() && guard.scope().reason() == errc::timed_out;
    co_return idle ? net::end_reason::idle : net::end_reason::eof;
}

task<void> association::run_tasks(net::tls::connection& control) {
    counting_scope tasks(server_.loop(), &guard_->scope());
    tasks_ = &tasks;
    tasks.spawn(watch(control), "association's connection");
    tasks.spawn(from_client(), "datagrams of a client");
    tasks.spawn(from_outside(), "datagrams for a client");
    co_await tasks.join();
}

// Nothing is to come on the connection but its end.
task<void> association::watch(net::tls::connection& control) {
    for (;;) {
        const result<io::lease> got = co_await control.recv_lease(4096);
        if (!got || got->empty()) break;
    }
    end();
}

task<void> association::from_client() {
    for (;;) {
        const result<void> there = co_await inner_.socket().ready(io::direction::read);
        if (!there) break;
        const bool goes_on = co_await carry_up();
        if (!goes_on) break;
    }
    end();
}

task<void> association::from_outside() {
    for (;;) {
        const result<void> there = co_await outer_.socket().ready(io::direction::read);
        if (!there) break;
        const bool goes_on = co_await carry_down();
        if (!goes_on) break;
    }
    end();
}

task<bool> association::carry_up() {
    batch room(server_.loop().reactor().buffers(), 0);
    const result<std::size_t> got = co_await inner_.recv_batch(room.in);
    if (!got) co_return concerns_one(got.error());
    std::size_t count = 0;
    for (const io::incoming& one : std::span(room.in).first(*got)) {
        if (take_up(one, room.out[count])) ++count;
    }
    if (count == 0) co_return true;
    const result<mutex::guard> turn = co_await outer_turn_.lock();
    if (!turn) co_return false;
    const std::span<const io::outgoing> going(room.out.data(), count);
    const bool goes_on = co_await send(outer_, going);
    co_return goes_on;
}

task<bool> association::carry_down() {
    batch room(server_.loop().reactor().buffers(), datagram_head_max);
    const result<std::size_t> got = co_await outer_.recv_batch(room.in);
    if (!got) co_return concerns_one(got.error());
    std::size_t count = 0;
    for (const io::incoming& one : std::span(room.in).first(*got)) {
        if (take_down(one, room.out[count])) ++count;
    }
    if (count == 0) co_return true;
    const std::span<const io::outgoing> going(room.out.data(), count);
    const bool goes_on = co_await send(inner_, going);
    co_return goes_on;
}

// What cannot be sent is dropped, as on any way.
task<bool> association::send(net::udp_socket& by, std::span<const io::outgoing> all) {
    while (!all.empty()) {
        const result<std::size_t> sent = co_await by.send_batch(all);
        if (!sent && ends_all(sent.error())) co_return false;
        if (!sent) ++dropped_;
        if (noted_ && sent) {
            for (const io::outgoing& one : all.first(*sent)) noted_->carried_before(&by == &outer_, one.data.size());
            noted_->progress().touched = server_.loop().turn_time();
        }
        all = all.subspan(sent.value_or(1));
    }
    co_return true;
}

bool association::take_up(const io::incoming& one, io::outgoing& out) {
    ++dropped_;  // unless it gets further
    const io::socket_address from = unmapped(one.from);
    datagram_head head;
    const const_bytes whole = one.into.first(one.size);
    if (host_of(from) != host_of(who_.client) || one.truncated() || !parse_datagram(whole, head)) return false;
    if (client_udp_.family() == io::address_family::none) client_udp_ = from;
    if (from.port() != client_udp_.port()) return false;
    const const_bytes payload = whole.subspan(head.size);
    const bool named = head.to.family() == io::address_family::none;
    const bool may = named ? find_name(head, payload, out) : may_send_to(unmapped(head.to));
    if (!may) return false;
    if (!named && !address(out, unmapped(head.to))) return false;
    out.data = payload;
    guard_->touch();
    --dropped_;
    ++up_;
    return true;
}

bool association::take_down(const io::incoming& one, io::outgoing& out) {
    const io::socket_address from = unmapped(one.from);
    if (one.truncated() || peers_.find(endpoint_of(from)) != peer_table::known::allowed) {
        ++dropped_;
        return false;
    }
    const std::span<std::byte, datagram_head_max> room(one.into.data() - datagram_head_max, datagram_head_max);
    const std::size_t head = write_datagram_head(room, from);
    out.data = {one.into.data() - head, head + one.size};
    out.to = client_udp_;
    guard_->touch();
    ++down_;
    return true;
}

// For the outer socket; false: it has no such family.
bool association::address(io::outgoing& out, const io::socket_address& to) const noexcept {
    out.to = outer_is_ipv6_ ? mapped(to) : to;
    return outer_is_ipv6_ || to.family() == io::address_family::ipv4;
}

bool association::may_send_to(const io::socket_address& to) {
    const endpoint_key key = endpoint_of(to);
    const peer_table::known before = peers_.find(key);
    if (before != peer_table::known::no) return before == peer_table::known::allowed;
    const std::string host = to.host();
    let_through reported;
    decision made = admit(question_about(host, to.port(), reported));
    if (made.allowed) made = judge(host, to, reported);
    note(made, host, to.port(), reported);
    peers_.add(key, made.allowed);
    return made.allowed;
}

question association::question_about(std::string_view host, std::uint16_t port, let_through& reported) const noexcept {
    return {.who = who_,
            .method = "UDP",
            .host = host,
            .port = port,
            .reported = reported,
            .quiet = denied_ >= denials_told};
}

decision association::judge(std::string_view host, const io::socket_address& to, let_through& reported) {
    if (!is_unicast(to))
        return {.allowed = false, .why = "nothing is sent to groups and broadcasts", .rule = destination_rule};
    return admit_address(question_about(host, to.port(), reported), to);
}

// Of a destination, once.
void association::note(const decision& made, std::string_view host, std::uint16_t port, const let_through& reported) {
    if (made.allowed && !reported) return;
    ++denied_;
    if (!noted_) return;
    if (made.allowed) {
        noted_->judged(decided::report, reported.rule(), fmt::format("UDP {}:{}", host, port));
    } else {
        noted_->judged(decided::deny, made.rule, fmt::format("UDP {}:{}: {}", host, port, made.why));
    }
}

// True: the name is known. Else the datagram waits for that, if it may.
bool association::find_name(const datagram_head& head, const_bytes payload, io::outgoing& out) {
    key_.assign(head.name);
    key_ += {'\0', static_cast<char>(head.to.port() >> 8), static_cast<char>(head.to.port())};
    name_table::entry* about = names_.find(key_, server_.loop().now());
    if (!about) {
        about = names_.add(key_);
        if (!about) return false;
        std::string host(head.name);
        const bool good = net::dns::normalize_host_name(host).has_value();
        let_through reported;
        decision made{.allowed = false, .why = "neither a host name nor an address", .rule = destination_rule};
        if (good) made = admit(question_about(host, head.to.port(), reported));
        if (!made.allowed) {
            note(made, host, head.to.port(), reported);
            about->now = name_table::state::bad;
            about->until = server_.loop().now() + failure_holds;
            return false;
        }
        tasks_->spawn(ask(*about, std::move(host), head.to.port(), std::move(reported)), "name of a datagram");
    }
    if (about->now == name_table::state::bad) return false;
    if (about->now == name_table::state::good) {
        if (peers_.find(endpoint_of(about->stands_for)) != peer_table::known::allowed)
            peers_.add(endpoint_of(about->stands_for), true);
        return address(out, about->stands_for);
    }
    const bool full =
        about->waiting.size() >= waiting_per_name_max || waiting_bytes_ + payload.size() > waiting_bytes_max;
    if (full) return false;
    waiting_bytes_ += payload.size();
    about->waiting.emplace_back(as_text(payload));
    --dropped_;  // not yet
    return false;
}

task<void> association::ask(name_table::entry& about, std::string host, std::uint16_t port, let_through reported) {
    const result<net::dns::address_list> found = co_await with_timeout(
        server_.limit().connect_timeout, server_.resolver().resolve(host, port, net::dns::families::ipv4_first));
    io::socket_address to;
    decision made;
    if (found) to = chosen(*found, host, reported, made);
    note(made, host, port, reported);
    const bool good = to.family() != io::address_family::none;
    std::vector<std::string> payloads = std::move(about.waiting);
    about.waiting.clear();
    about.stands_for = to;
    about.now = good ? name_table::state::good : name_table::state::bad;
    about.until = server_.loop().now() + (good ? name_holds : failure_holds);
    for (const std::string& one : payloads) waiting_bytes_ -= one.size();
    if (!good) {
        dropped_ += payloads.size();
        co_return;
    }
    peers_.add(endpoint_of(to), true);
    co_await send_waiting(std::move(payloads), to);
}

// The first that is allowed and can be reached, as far as this machine knows.
io::socket_address association::chosen(const std::vector<io::socket_address>& found, std::string_view host,
                                       let_through& reported, decision& made) {
    for (const io::socket_address& one : found) {
        const io::socket_address to = unmapped(one);
        io::outgoing probe;
        made = judge(host, to, reported);
        if (made.allowed && address(probe, to) && has_route(server_.loop(), to)) return to;
    }
    return {};
}

task<void> association::send_waiting(std::vector<std::string> payloads, io::socket_address to) {
    const result<mutex::guard> turn = co_await outer_turn_.lock();
    if (!turn) co_return;
    std::vector<io::outgoing> all(payloads.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        all[i].data = as_bytes(payloads[i]);
        (void)address(all[i], to);
    }
    guard_->touch();
    up_ += all.size();
    const std::span<const io::outgoing> going(all);
    (void)co_await send(outer_, going);
}

}  // namespace co_wq::proxy::socks
