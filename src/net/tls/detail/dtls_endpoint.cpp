#include "net/tls/detail/dtls_endpoint.hpp"

#include <algorithm>
#include <array>

namespace co_wq::net::tls::detail {
namespace {

// Each such error took a message that somebody had to send, so they may come for ever and never make the loop spin.
bool told_by_a_router(const error& why) noexcept {
    return why == errc::connection_refused || why == errc::message_too_long || why == errc::host_unreachable ||
           why == errc::network_unreachable;
}

}  // namespace

result<void> check_options(const dtls_options& options) noexcept {
    const bool good = options.path_bytes >= path_bytes_min && options.first_wait >= std::chrono::milliseconds(1) &&
                      options.first_wait <= std::chrono::seconds(60) && options.inbox_messages_max > 0;
    if (!good) return fail(errc::invalid_argument);
    return {};
}

dtls_endpoint::dtls_endpoint(udp_socket socket, const dtls_options& options, bool connected) noexcept
    : loop_(socket.loop()),
      socket_(std::move(socket)),
      datagram_bytes_(std::max<std::size_t>(datagram_bytes_min, options.path_bytes)),
      connected_(connected),
      filled_("DTLS datagrams to send"),
      scope_(loop_) {
    if (options.never_fragment) (void)socket_.set_never_fragment(true);  // as far as the system can
}

dtls_endpoint::~dtls_endpoint() { shut(); }

void dtls_endpoint::start() {
    scope_.spawn(receive(*this), "dtls receive");
    scope_.spawn(transmit(*this), "dtls transmit");
}

void dtls_endpoint::shut() noexcept {
    scope_.destroy_all();
    socket_.close();
    outbox_.clear();
}

// ---- receiving

task<void> dtls_endpoint::receive(dtls_endpoint& self) {
    for (;;) {
        // no memory is lent while nothing comes
        const result<void> ready = co_await self.socket_.socket().ready(io::direction::read);
        if (!ready && ready.error() == errc::closed) co_return;
        const bool goes_on = co_await receive_batch(self);
        if (!goes_on) co_return;
    }
}

task<bool> dtls_endpoint::receive_batch(dtls_endpoint& self) {
    io::lease block = self.loop_.reactor().buffers().take(block_bytes);
    std::array<io::incoming, batch_max> came;
    const std::size_t count = std::min(batch_max, block.block().size() / self.datagram_bytes_);
    for (std::size_t i = 0; i < count; ++i)
        came[i].into = block.block().subspan(i * self.datagram_bytes_, self.datagram_bytes_);
    const result<std::size_t> got = co_await self.socket_.recv_batch(std::span(came).first(count));
    if (!got) {
        const error why = got.error();
        if (why == errc::closed) co_return false;
        if (!told_by_a_router(why) && ++self.failures_ > failures_max) {
            self.lost(why);
            co_return false;
        }
        self.hear(why);
        co_return true;
    }
    self.failures_ = 0;
    for (std::size_t i = 0; i < *got; ++i) {
        const io::incoming& one = came[i];
        if (one.truncated()) {
            ++self.truncated_;
        } else {
            self.arrived(one.from, one.into.first(one.size));
        }
    }
    co_return true;
}

// ---- sending

result<bool> dtls_endpoint::send_now(const io::socket_address& to, const_bytes datagram) noexcept {
    const io::outgoing one{.data = datagram, .to = connected_ ? io::socket_address{} : to};
    const result<bool> sent = socket_.socket().send_to_now(one);
    // of an earlier datagram: this one was not tried
    if (sent || sent.error() != errc::connection_refused) return sent;
    hear(sent.error());
    return socket_.socket().send_to_now(one);
}

result<void> dtls_endpoint::output(const io::socket_address& to, const_bytes datagram) noexcept {
    if (!socket_.is_open()) return fail(errc::closed);
    if (outbox_.empty()) {
        const result<bool> sent = send_now(to, datagram);
        if (sent && *sent) return {};
        if (!sent) {
            if (sent.error() != errc::message_too_long) ++unsent_;
            return std::unexpected(sent.error());
        }
    }
    // flights may go over the limit a bit: their senders do not wait
    if (outbox_.size() >= 2 * outbox_bytes_max || !outbox_.push(datagram, to)) {
        ++unsent_;
        return fail(errc::no_buffers);
    }
    filled_.set();
    return {};
}

task<void> dtls_endpoint::transmit(dtls_endpoint& self) {
    for (;;) {
        (void)co_await self.filled_.wait();
        const result<void> ready = co_await self.socket_.socket().ready(io::direction::write);
        if (!ready && ready.error() == errc::closed) co_return;
        while (!self.outbox_.empty()) {
            const result<bool> sent = self.send_now(self.outbox_.front_address(), self.outbox_.front());
            if (sent && !*sent) break;
            if (!sent) ++self.unsent_;
            self.outbox_.pop();
        }
        if (self.outbox_.empty()) self.filled_.reset();
        if (self.outbox_.size() >= outbox_bytes_max / 2) continue;
        while (dtls_association* one = self.wishes_.pop_front()) one->room_came();
    }
}

}  // namespace co_wq::net::tls::detail
