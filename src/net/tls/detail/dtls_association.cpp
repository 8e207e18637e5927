#include "net/tls/detail/dtls_association.hpp"

#include <algorithm>
#include <cstring>

#include "net/tls/detail/dtls_endpoint.hpp"

namespace co_wq::net::tls::detail {
namespace {

using phase = dtls_engine::phase;

constexpr std::size_t header_bytes(io::address_family family) noexcept {
    return family == io::address_family::ipv6 ? 40 + 8 : 20 + 8;
}

}  // namespace

dtls_association::dtls_association(std::shared_ptr<dtls_endpoint> on, const io::socket_address& peer,
                                   ssl_ptr connection, const dtls_options& options)
    : timer(&expired),
      endpoint_(std::move(on)),
      peer_(peer),
      inbox_max_(options.inbox_messages_max),
      engine_(std::move(connection), *this,
              {.first_wait = options.first_wait,
               .path_bytes = options.path_bytes,
               .overhead_bytes = header_bytes(peer.family())}),
      shaken_("DTLS handshake with", &peer_),
      readable_("DTLS recv from", &peer_),
      writable_("DTLS send to", &peer_) {}

dtls_association::~dtls_association() { endpoint_->forget(*this); }

// ---- what drives it

bool dtls_association::start_client() noexcept {
    const bool started = engine_.start_client(endpoint_->now());
    settle();
    return started;
}

bool dtls_association::start_server(const client_hello& hello, const_bytes datagram, time_point give_up) noexcept {
    std::copy(hello.random.begin(), hello.random.end(), hello_random_.begin());
    cookie verified;
    std::copy(hello.cookie.begin(), hello.cookie.end(), verified.begin());
    give_up_ = give_up;
    const bool started = engine_.start_server(datagram, verified, endpoint_->now());
    if (started) settle();
    return started;
}

void dtls_association::feed(const_bytes datagram) noexcept {
    const association_ptr alive = shared_from_this();
    if (!engine_.feed(datagram, endpoint_->now()) && seen_ != phase::shaking_hands) ++ignored_;
    settle();
}

void dtls_association::expired(timer& self) noexcept {
    auto& me = static_cast<dtls_association&>(self);
    const association_ptr alive = me.shared_from_this();
    const time_point now = me.endpoint_->now();
    if (now >= me.give_up_) {
        me.give_up_ = no_deadline;
        return me.fail_with(errc::timed_out);
    }
    me.engine_.expire(now);
    me.settle();
}

void dtls_association::hear(error of_network) noexcept {
    if (of_network == errc::message_too_long) return (void)engine_.shrink();
    told_ = of_network;
    show();
}

void dtls_association::fail_with(error why) noexcept {
    if (!broken_) broken_ = why;
    timer::cancel();
    show();
    endpoint_->over(*this, why);
}

// After the engine has done something.
void dtls_association::settle() noexcept {
    if (broken_) return;
    const phase now = engine_.now_is();
    if (const phase before = std::exchange(seen_, now); before != now) {
        if (before == phase::shaking_hands && now != phase::failed) {
            give_up_ = no_deadline;
            endpoint_->opened(*this);
        }
        if (now == phase::failed) return fail_with(engine_.what());
        if (now == phase::ended) {
            timer::cancel();
            show();
            return endpoint_->over(*this, errc::closed);
        }
    }
    // it lingers no longer than it has to
    if (lingering_ && !engine_.last_flight_open()) return endpoint_->over(*this, errc::closed);
    show();
    arm();
}

void dtls_association::arm() noexcept {
    timer::cancel();
    const time_point when = std::min(engine_.due(), give_up_);
    if (when != no_deadline) endpoint_->loop().timers()->arm(*this, when);
}

result<void> dtls_association::output(const_bytes datagram) noexcept { return endpoint_->output(peer_, datagram); }

void dtls_association::arrived(const_bytes message) noexcept {
    if (closed_) return;
    if (inbox_.count() < inbox_max_ && inbox_.push(message)) {
        ++received_;
    } else {
        ++overflowed_;
    }
}

// ---- what waits for it

std::optional<error> dtls_association::failure() const noexcept {
    if (closed_) return errc::closed;
    return broken_;
}

void dtls_association::show() noexcept {
    const bool over = failure() || seen_ == phase::ended;
    if (over || told_ || seen_ == phase::open) shaken_.set();
    if (over || told_ || !inbox_.empty()) {
        readable_.set();
    } else {
        readable_.reset();
    }
    if (over) writable_.set();
}

std::optional<result<dtls_message>> dtls_association::take(bytes into) noexcept {
    if (closed_) return fail(errc::closed);
    if (!inbox_.empty()) {
        const const_bytes message = inbox_.front();
        const std::size_t size = std::min(message.size(), into.size());
        if (size > 0) std::memcpy(into.data(), message.data(), size);
        const dtls_message got{.size = static_cast<std::uint32_t>(size),
                               .full_size = static_cast<std::uint32_t>(message.size())};
        inbox_.pop();
        show();
        return got;
    }
    if (broken_) return std::unexpected(*broken_);
    if (seen_ == phase::ended) return dtls_message{.ended = true};
    if (told_) {
        const error once = *std::exchange(told_, std::nullopt);
        show();
        return std::unexpected(once);
    }
    return std::nullopt;
}

task<result<void>> dtls_association::shake_hands(association_ptr self) {
    if (!self->start_client()) co_return fail(errc::out_of_memory);
    const result<void> waited = co_await self->shaken_.wait();
    if (!waited) co_return std::unexpected(waited.error());
    if (const std::optional<error> why = self->failure()) co_return std::unexpected(*why);
    if (self->seen_ == phase::shaking_hands && self->told_) co_return std::unexpected(*self->told_);
    co_return result<void>();
}

task<result<dtls_message>> dtls_association::recv(association_ptr self, bytes into) {
    for (;;) {
        const result<void> waited = co_await self->readable_.wait();
        if (!waited) co_return std::unexpected(waited.error());
        std::optional<result<dtls_message>> got = self->take(into);
        if (got) co_return std::move(*got);
    }
}

task<result<void>> dtls_association::send(association_ptr self, const_bytes data) {
    for (;;) {
        if (const std::optional<error> why = self->failure()) co_return std::unexpected(*why);
        if (self->endpoint_->has_room()) {
            self->writable_.set();
        } else {
            self->writable_.reset();
            self->endpoint_->wish_for_room(*self);
        }
        const result<void> waited = co_await self->writable_.wait();
        if (!waited) co_return std::unexpected(waited.error());
        if (const std::optional<error> why = self->failure()) co_return std::unexpected(*why);
        if (!self->endpoint_->has_room()) continue;
        const result<void> sent = self->engine_.send(data, self->endpoint_->now());
        self->settle();
        co_return sent;
    }
}

void dtls_association::close() noexcept {
    if (std::exchange(closed_, true)) return;
    const association_ptr alive = shared_from_this();
    if (!broken_) engine_.shut_down(endpoint_->now());
    inbox_.clear();
    timer::cancel();
    list_hook<in_wish_for_room>::unlink();
    show();
    const bool may_have_to_answer = !broken_ && seen_ == phase::open && engine_.last_flight_open();
    endpoint_->closed(*this, may_have_to_answer);
}

void dtls_association::linger(time_point until) noexcept {
    lingering_ = true;
    give_up_ = until;
    arm();
}

dtls_counters dtls_association::counters() const noexcept {
    return {.received = received_,
            .ignored = ignored_,
            .overflowed = overflowed_,
            .retransmissions = engine_.retransmissions()};
}

}  // namespace co_wq::net::tls::detail
