#include "net/dns/detail/cares_channel.hpp"

#include <ares.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

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

}  // namespace

cares_channel::cares_channel(io::event_loop& loop, const channel_options& options)
    : loop_(loop),
      query_timeout_(options.query_timeout),
      edns_(options.edns),
      addresses_limits_{options.addresses_max, options.records.data_bytes_max},
      records_limits_(options.records) {
    start_library();
    ares_options native{};
    native.flags = ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH;
    if (options.use_tcp) native.flags |= ARES_FLAG_USEVC;
    if (options.edns) native.flags |= ARES_FLAG_EDNS;
    native.timeout = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(query_timeout_).count());
    native.tries = options.tries;
    native.ednspsz = std::max<int>(options.edns_bytes, 512);
    char servers_only[] = "b", no_file[] = "/dev/null";
    native.lookups = servers_only;
    native.resolvconf_path = no_file;
    native.sock_state_cb = [](void* self, ares_socket_t handle, int readable, int writable) {
        on_socket_state(self, static_cast<io::native_handle>(handle), readable, writable);
    };
    native.sock_state_cb_data = this;
    const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB |
                      ARES_OPT_RESOLVCONF | ARES_OPT_EDNSPSZ | (options.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
    require(ares_init_options(&channel_, &native, given), "c-ares does not start");
    use_sockets_of(loop.reactor().calls(), channel_);
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

void cares_channel::ask(query& what, const std::string& name, record_type type) {
    what.channel_ = this;
    what.name_ = name;
    what.type_ = type;
    what.asked_again_ = false;
    ++in_flight_;
    send(what);
    const time_point due = saturating_add(loop_.now(), query_timeout_);
    if (in_flight_ > 0 && (!tick_.is_set() || due < tick_.due())) tick_.set_at(due);
}

void cares_channel::send(query& what) {
    constexpr int class_internet = 1;
    const std::string name = what.name_.empty() ? "." : std::string(what.name_);
    ares_query(channel_, name.c_str(), class_internet, static_cast<int>(what.type_), &on_reply, &what);
}

// c-ares says with the packet what its header says: success, no data, or no such name.
reply cares_channel::reply_of(const query& what, int status, std::string_view packet) const {
    reply come{.content = fail(code_of(status), cares_status_base + status)};
    if (packet.empty() || (status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND)) return come;
    const bool addresses = what.type_ == record_type::a || what.type_ == record_type::aaaa;
    result<message> read =
        read_message(packet, what.name_, what.type_, addresses ? addresses_limits_ : records_limits_);
    if (!read || read->referral) {
        come.content = fail(errc::name_server_failed, cares_status_base + (read ? ARES_ENODATA : ARES_EBADRESP));
        come.malformed = !read;
        return come;
    }
    come.negative_ttl = read->negative_ttl;
    const bool alias = !read->content.aliases.empty() && !read->negative_ttl;
    if (status == ARES_ENOTFOUND) return come;
    if (read->content.alias_only() && !alias) {
        come.content = fail(errc::name_no_data, cares_status_base + ARES_ENODATA);
    } else {
        come.content = std::move(read->content);
    }
    return come;
}

void cares_channel::on_reply(void* arg, int status, int timeouts, unsigned char* packet, int length) noexcept {
    query& what = *static_cast<query*>(arg);
    cares_channel& me = *what.channel_;
    CO_WQ_ASSERT(me.in_flight_ > 0, "c-ares replies once to a query");
    // Of several queries whose EDNS a server did not understand, c-ares 1.18 repeats the first one only, and sends all
    // others from then on without.
    if (status == ARES_EFORMERR && me.edns_ && !std::exchange(what.asked_again_, true)) return me.send(what);
    --me.in_flight_;
    const auto bytes = static_cast<std::size_t>(packet && length > 0 ? length : 0);
    reply come = me.reply_of(what, status, {reinterpret_cast<const char*>(packet), bytes});
    come.timeouts = timeouts > 0 ? static_cast<unsigned>(timeouts) : 0;
    what.on_reply_(what, std::move(come));
}

void cares_channel::on_socket_state(void* self, io::native_handle handle, int readable, int writable) noexcept {
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
    const timeval* const next = ares_timeout(me.channel_, &most, &left);  // `most` itself if nothing is due before
    const duration wait = std::chrono::seconds(next->tv_sec) + std::chrono::microseconds(next->tv_usec);
    // c-ares counts in milliseconds: a shorter wait would only turn the loop
    me.tick_.set(std::max<duration>(wait, std::chrono::milliseconds(1)));
}

void cares_channel::process(io::native_handle readable, io::native_handle writable) noexcept {
    static_assert(static_cast<ares_socket_t>(io::no_handle) == ARES_SOCKET_BAD);
    ares_process_fd(channel_, static_cast<ares_socket_t>(readable), static_cast<ares_socket_t>(writable));
    if (in_flight_ == 0) tick_.cancel();
}

}  // namespace co_wq::net::dns::detail
