#include "net/local.hpp"

#include "io/event_loop.hpp"
#include "sync/sleep.hpp"

namespace co_wq::net {
namespace {

using io::socket_address;

// Claims the place, binds by way of `bind`, and records what was made there. An abstract name needs no claim.
template <class Bind>
result<io::path_claim> claim_and(const socket_address& where, Bind bind) {
    if (where.family() != io::address_family::local) return fail(errc::invalid_argument);
    const bool path = !where.is_abstract() && !where.path().empty();
    result<io::path_claim> claim = path ? io::path_claim::take(std::string(where.path())) : io::path_claim();
    if (!claim) return claim;
    result<void> done = bind();
    if (done && path) done = claim->record();
    if (!done) return std::unexpected(done.error());
    return claim;
}

// The listener's queue may be full; then there is no event to wait for on every system.
task<result<void>> connect_patiently(io::socket& made, const socket_address& where) {
    for (duration pause = std::chrono::microseconds(200);;
         pause = std::min<duration>(pause * 2, std::chrono::milliseconds(20))) {
        const result<void> connected = co_await made.connect(where);
        if (connected || connected.error() != errc::no_buffers) co_return connected;
        const result<void> slept = co_await sleep_for(pause);
        if (!slept) co_return slept;
    }
}

template <class Connection>
task<result<Connection>> connect_as(io::event_loop& loop, result<io::native_handle> opened, socket_address where) {
    if (!opened) co_return std::unexpected(opened.error());
    io::socket made(loop, *opened, Connection::kind);
    if (where.family() != io::address_family::local) co_return fail(errc::invalid_argument);
    const result<void> connected = co_await connect_patiently(made, where);
    if (!connected) co_return std::unexpected(connected.error());
    co_return Connection(std::move(made));
}

result<io::native_handle> open_for(io::event_loop& loop, bool packets) {
    io::socket_calls& calls = loop.reactor().calls();
    return packets ? calls.open_sequenced() : calls.open_stream(io::address_family::local);
}

}  // namespace

task<result<local_stream>> local_stream::connect(io::event_loop& loop, socket_address where) {
    return connect_as<local_stream>(loop, open_for(loop, false), where);
}

task<result<local_packets>> local_packets::connect(io::event_loop& loop, socket_address where) {
    return connect_as<local_packets>(loop, open_for(loop, true), where);
}

result<std::pair<local_stream, local_stream>> local_stream::make_pair(io::event_loop& loop) {
    const auto both = loop.reactor().calls().open_local_pair();
    if (!both) return std::unexpected(both.error());
    return std::pair{local_stream(io::socket(loop, both->first, io::descriptor_kind::stream)),
                     local_stream(io::socket(loop, both->second, io::descriptor_kind::stream))};
}

template <class Connection>
result<basic_local_listener<Connection>> basic_local_listener<Connection>::bind(io::event_loop& loop,
                                                                                const socket_address& where,
                                                                                local_options options) {
    const result<io::native_handle> handle = open_for(loop, std::is_same_v<Connection, local_packets>);
    if (!handle) return std::unexpected(handle.error());
    basic_local_listener made;
    made.socket_ = io::socket(loop, *handle, io::descriptor_kind::listener);
    io::socket_calls& calls = loop.reactor().calls();
    result<io::path_claim> claim = claim_and(where, [&]() -> result<void> {
        const result<void> set = calls.set_mode(*handle, options.mode);
        return set ? calls.bind_and_listen(*handle, where, options.backlog) : set;
    });
    if (!claim) return std::unexpected(claim.error());
    made.claim_ = std::move(*claim);
    return made;
}

template class basic_local_listener<local_stream>;
template class basic_local_listener<local_packets>;

result<local_datagrams> local_datagrams::open(io::event_loop& loop) {
    const result<io::native_handle> handle = loop.reactor().calls().open_datagram(io::address_family::local);
    if (!handle) return std::unexpected(handle.error());
    local_datagrams made;
    made.socket_ = io::socket(loop, *handle, io::descriptor_kind::datagram);
    return made;
}

result<local_datagrams> local_datagrams::bind(io::event_loop& loop, const socket_address& where,
                                              local_options options) {
    result<local_datagrams> made = open(loop);
    if (!made) return made;
    io::socket_calls& calls = loop.reactor().calls();
    result<io::path_claim> claim = claim_and(where, [&]() -> result<void> {
        const result<void> set = calls.set_mode(made->socket_.handle(), options.mode);
        return set ? calls.bind_datagram(made->socket_.handle(), where, false) : set;
    });
    if (!claim) return std::unexpected(claim.error());
    made->claim_ = std::move(*claim);
    return made;
}

result<void> local_datagrams::connect(const socket_address& peer) const noexcept {
    const std::int32_t answer = socket_.calls().begin_connect(socket_.handle(), peer);
    if (answer < 0) return fail(from_errno(-answer));
    return {};
}

}  // namespace co_wq::net
