#include "net/local.hpp"

#include "io/event_loop.hpp"
#include "sync/sleep.hpp"

namespace co_wq::net {
namespace {

using io::socket_address;

// Between attempts where no event tells when one would succeed.
constexpr duration pause_min = std::chrono::microseconds(200), pause_max = std::chrono::milliseconds(20);

// Binds at an address; a path is claimed first, and what stands there then is recorded. An abstract name needs none.
result<io::path_claim> bind_claimed(io::event_loop& loop, io::native_handle handle, const socket_address& where,
                                    std::uint32_t mode) {
    if (where.family() != io::address_family::local || where.path().empty()) return fail(errc::invalid_argument);
    io::socket_calls& calls = loop.reactor().calls();
    if (where.is_abstract()) {
        const result<void> bound = calls.bind_datagram(handle, where, false);
        if (!bound) return std::unexpected(bound.error());
        return io::path_claim();
    }
    result<io::path_claim> claim = io::path_claim::take(std::string(where.path()));
    if (!claim) return claim;
    result<void> done = calls.set_mode(handle, mode);
    if (done) done = calls.bind_datagram(handle, where, false);
    if (done) done = claim->record(mode);
    if (!done) return std::unexpected(done.error());
    return claim;
}

// The listener's queue may be full; then there is no event to wait for on every system.
task<result<void>> connect_patiently(io::socket& made, const socket_address& where) {
    for (duration pause = pause_min;; pause = std::min(pause * 2, pause_max)) {
        const result<void> connected = co_await made.connect(where);
        if (connected || connected.error() != errc::no_buffers) co_return connected;
        const result<void> slept = co_await sleep_for(pause);
        if (!slept) co_return slept;
    }
}

result<io::native_handle> open_for(io::event_loop& loop, bool packets) {
    io::socket_calls& calls = loop.reactor().calls();
    return packets ? calls.open_sequenced() : calls.open_stream(io::address_family::local);
}

template <class Connection>
constexpr bool are_packets = std::is_same_v<Connection, local_packets>;

template <class Connection>
task<result<Connection>> connect_as(io::event_loop& loop, socket_address where) {
    if (where.family() != io::address_family::local) co_return fail(errc::invalid_argument);
    const result<io::native_handle> opened = open_for(loop, are_packets<Connection>);
    if (!opened) co_return std::unexpected(opened.error());
    io::socket made(loop, *opened, Connection::kind);
    const result<void> connected = co_await connect_patiently(made, where);
    if (!connected) co_return std::unexpected(connected.error());
    co_return Connection(std::move(made));
}

}  // namespace

task<result<local_stream>> local_stream::connect(io::event_loop& loop, socket_address where) {
    return connect_as<local_stream>(loop, where);
}

task<result<local_packets>> local_packets::connect(io::event_loop& loop, socket_address where) {
    return connect_as<local_packets>(loop, where);
}

result<std::pair<local_stream, local_stream>> local_stream::make_pair(io::event_loop& loop) {
    const auto both = loop.reactor().calls().open_local_pair();
    if (!both) return std::unexpected(both.error());
    return std::pair{local_stream(io::socket(loop, both->first, local_stream::kind)),
                     local_stream(io::socket(loop, both->second, local_stream::kind))};
}

template <class Connection>
result<basic_local_listener<Connection>> basic_local_listener<Connection>::bind(io::event_loop& loop,
                                                                                const socket_address& where,
                                                                                local_options options) {
    const result<io::native_handle> handle = open_for(loop, are_packets<Connection>);
    if (!handle) return std::unexpected(handle.error());
    basic_local_listener made;
    made.socket_ = io::socket(loop, *handle, io::descriptor_kind::listener);
    result<io::path_claim> claim = bind_claimed(loop, *handle, where, options.mode);
    if (!claim) return std::unexpected(claim.error());
    made.claim_ = std::move(*claim);
    const result<void> listening = loop.reactor().calls().listen(*handle, options.backlog);
    if (!listening) return std::unexpected(listening.error());
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
    result<io::path_claim> claim = bind_claimed(loop, made->socket_.handle(), where, options.mode);
    if (!claim) return std::unexpected(claim.error());
    made->claim_ = std::move(*claim);
    return made;
}

task<result<void>> local_datagrams::send_to(const_bytes data, socket_address to) const {
    for (duration pause = pause_min;; pause = std::min(pause * 2, pause_max)) {
        const result<void> sent = co_await socket_.send_to({.data = data, .to = to});
        if (sent || sent.error() != errc::no_buffers) co_return sent;
        const result<void> slept = co_await sleep_for(pause);
        if (!slept) co_return slept;
    }
}

result<void> local_datagrams::connect(const socket_address& peer) const noexcept {
    const std::int32_t answer = socket_.calls().begin_connect(socket_.handle(), peer);
    if (answer < 0) return fail(from_errno(-answer));
    return {};
}

}  // namespace co_wq::net
