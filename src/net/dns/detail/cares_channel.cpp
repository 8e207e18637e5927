#include "net/dns/detail/cares_channel.hpp"

#include <ares.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "net/dns/detail/cares_sockets.hpp"

namespace co_wq::net::dns::detail {
namespace {

void require(int status, const char* what) {
    if (status != ARES_SUCCESS) throw std::runtime_error(std::string("dns: ") + what + ": " + ares_strerror(status));
}

// Once for the process; thread-safe, as initialisation of a local static is.
void start_library() {
    static const int status = ares_library_init(ARES_LIB_INIT_ALL);
    require(status, "c-ares does not start");
}

errc code_of(int status) noexcept {
    switch (status) {
        case ARES_ENOTFOUND:
        case ARES_ENONAME: return errc::name_not_found;
        case ARES_ENODATA: return errc::name_no_data;
        case ARES_ETIMEOUT: return errc::timed_out;
        case ARES_EBADNAME:
        case ARES_EBADQUERY:
        case ARES_EBADSTR: return errc::invalid_argument;
        case ARES_ENOMEM: return errc::out_of_memory;
        case ARES_ECANCELLED:
        case ARES_EDESTRUCTION: return errc::closed;
        default: return errc::name_server_failed;  // refused, failed, not reachable, or not understood
    }
}

// A TTL with the top bit set counts as 0 (RFC 2181 section 8).
duration ttl_of(const ares_addrinfo& found) noexcept {
    int least = std::numeric_limits<int>::max();
    for (const ares_addrinfo_node* node = found.nodes; node; node = node->ai_next)
        least = std::min(least, node->ai_ttl);
    for (const ares_addrinfo_cname* name = found.cnames; name; name = name->next) least = std::min(least, name->ttl);
    return std::chrono::seconds(std::max(least, 0));
}

// c-ares takes both families from whatever answer has them.
address_list addresses_of(const ares_addrinfo& found, io::address_family family, std::size_t most) {
    address_list list;
    for (const ares_addrinfo_node* node = found.nodes; node && list.size() < most; node = node->ai_next) {
        io::socket_address one = address_from(node->ai_addr, static_cast<std::size_t>(node->ai_addrlen));
        one.set_port(0);
        if (one.family() != family) continue;
        if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
    }
    return list;
}

}  // namespace

cares_channel::cares_channel(io::event_loop& loop, const resolver_options& options)
    : loop_(loop), query_timeout_(options.query_timeout), addresses_max_(options.addresses_max) {
    start_library();
    ares_options native{};
    native.flags = ARES_FLAG_NOALIASES | (options.search ? 0 : ARES_FLAG_NOSEARCH);
    native.timeout = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(query_timeout_).count());
    native.tries = options.tries;
    char servers_only[] = "b";
    native.lookups = servers_only;
    native.sock_state_cb = &on_socket_state;
    native.sock_state_cb_data = this;
    const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    require(ares_init_options(&channel_, &native, given), "c-ares does not start");
    use_sockets_of(loop.reactor().calls(), channel_);
    if (options.servers.empty()) return;
    const int status = ares_set_servers_ports_csv(channel_, options.servers.c_str());
    if (status == ARES_SUCCESS) return;
    ares_destroy(channel_);
    throw std::runtime_error("dns: servers: expected addresses with optional ports, separated by commas, not '" +
                             options.servers + "'");
}

cares_channel::~cares_channel() {
    ares_destroy(channel_);
    CO_WQ_ASSERT(in_flight_ == 0, "c-ares answers what is in flight when its channel dies");
}

void cares_channel::ask(query& what, const std::string& name, io::address_family family) {
    what.channel_ = this;
    what.family_ = family;
    ++in_flight_;
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;  // sorting would open and connect a socket for every address
    hints.ai_family = family == io::address_family::ipv6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &on_reply, &what);
    const time_point due = saturating_add(loop_.now(), query_timeout_);
    if (in_flight_ > 0 && (!tick_.is_set() || due < tick_.due())) tick_.set_at(due);
}

void cares_channel::on_reply(void* arg, int status, int timeouts, ares_addrinfo* found) noexcept {
    query& what = *static_cast<query*>(arg);
    cares_channel& me = *what.channel_;
    CO_WQ_ASSERT(me.in_flight_ > 0, "c-ares replies once to a query");
    --me.in_flight_;
    reply come{
        fail(code_of(status), cares_status_base + status), {}, timeouts > 0 ? static_cast<unsigned>(timeouts) : 0};
    if (status == ARES_SUCCESS && found) {
        address_list list = addresses_of(*found, what.family_, me.addresses_max_);
        come.ttl = ttl_of(*found);
        if (list.empty()) {
            come.found = fail(errc::name_no_data);
        } else {
            come.found = std::move(list);
        }
    }
    if (found) ares_freeaddrinfo(found);
    what.on_reply_(what, std::move(come));
}

void cares_channel::on_socket_state(void* self, int handle, int readable, int writable) noexcept {
    // (0, 0) comes right before c-ares closes the socket; a refused one is c-ares' to time out
    (void)static_cast<cares_channel*>(self)->sockets_.set(handle, {.read = readable != 0, .write = writable != 0});
}

void cares_channel::on_ready(void* self, io::native_handle handle, io::direction way) noexcept {
    const bool reading = way == io::direction::read;
    static_cast<cares_channel*>(self)->process(reading ? handle : io::no_handle, reading ? io::no_handle : handle);
}

void cares_channel::on_time(void* self) noexcept {
    cares_channel& me = *static_cast<cares_channel*>(self);
    me.process(io::no_handle, io::no_handle);
    if (me.in_flight_ == 0) return;
    timeval most{60, 0}, left{};
    ares_timeout(me.channel_, &most, &left);
    const duration wait = std::chrono::seconds(left.tv_sec) + std::chrono::microseconds(left.tv_usec);
    // c-ares counts in milliseconds: a shorter wait would only turn the loop
    me.tick_.set(std::max<duration>(wait, std::chrono::milliseconds(1)));
}

void cares_channel::process(io::native_handle readable, io::native_handle writable) noexcept {
    static_assert(io::no_handle == ARES_SOCKET_BAD);
    ares_process_fd(channel_, readable, writable);
    if (in_flight_ == 0) tick_.cancel();
}

}  // namespace co_wq::net::dns::detail
