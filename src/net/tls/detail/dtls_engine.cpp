#include "net/tls/detail/dtls_engine.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <limits>
#include <utility>

#include "net/tls/errors.hpp"

namespace co_wq::net::tls::detail {
namespace {

constexpr duration wait_max = std::chrono::seconds(60);
// OpenSSL puts a flight together in a buffer of this size, and would cut records at its end.
constexpr std::size_t flight_bytes_max = 4096;
constexpr unsigned early_records_max = 4;
constexpr std::size_t message_bytes_max = SSL3_RT_MAX_PLAIN_LENGTH;
// What a path may carry, down to what each does and OpenSSL takes.
constexpr std::array<std::size_t, 6> path_steps{4096, 1500, 1280, 1024, 576, path_bytes_min};
// Of a cipher with authentication: OpenSSL forgets it when it adds the last message to a flight.
constexpr std::size_t cipher_bytes = 8 + 16;

// Versions 3.0 and 3.1 give the BIO a pointer to the timer itself, later ones to a copy of it.
bool timer_is_shown() noexcept {
    const unsigned long version = OpenSSL_version_num() >> 20;
    return version == 0x300 || version == 0x301;
}

}  // namespace

const BIO_METHOD* dtls_engine::method() noexcept {
    static const BIO_METHOD* const made = [] {
        BIO_METHOD* const one = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams of a DTLS engine");
        if (!one) return one;
        BIO_meth_set_write(one, &write);
        BIO_meth_set_read(one, &read);
        BIO_meth_set_ctrl(one, &control);
        return one;
    }();
    return made;
}

dtls_engine::dtls_engine(ssl_ptr connection, engine_sink& sink, engine_settings settings) noexcept
    : ssl_(std::move(connection)), sink_(sink), settings_(settings), path_bytes_(settings.path_bytes) {
    SSL_set_app_data(ssl_.get(), this);
    // with that extension (RFC 7366) OpenSSL 3.0 ends the connection for any forged record
    SSL_set_options(ssl_.get(), SSL_OP_NO_QUERY_MTU | SSL_OP_NO_ENCRYPT_THEN_MAC);
    DTLS_set_timer_cb(ssl_.get(), &wait_of);
    SSL_set_msg_callback(ssl_.get(), &saw);
    SSL_set_msg_callback_arg(ssl_.get(), this);
    if (BIO* const bio = method() ? BIO_new(method()) : nullptr) {
        BIO_set_data(bio, this);
        BIO_set_init(bio, 1);
        SSL_set_bio(ssl_.get(), bio, bio);
    }
    set_path(path_bytes_);
}

dtls_engine::~dtls_engine() {
    // the session stays good for a resumption, whether or not there was a goodbye
    if (phase_ == phase::open || phase_ == phase::ended)
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

// ---- what OpenSSL asks

int dtls_engine::write(BIO* bio, const char* data, int size) noexcept {
    dtls_engine& me = of(bio);
    BIO_clear_retry_flags(bio);
    if (!data || size <= 0) return 0;
    const result<void> sent = me.sink_.output(std::as_bytes(std::span(data, static_cast<std::size_t>(size))));
    if (!sent) {
        me.output_error_ = sent.error();
        me.too_long_ |= sent.error() == errc::message_too_long;
    }
    return size;  // for OpenSSL it is lost on its way
}

int dtls_engine::read(BIO* bio, char* into, int room) noexcept {
    dtls_engine& me = of(bio);
    BIO_clear_retry_flags(bio);
    if (!me.has_input_) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const std::size_t size = std::min(me.input_.size(), static_cast<std::size_t>(std::max(room, 0)));
    if (size > 0) std::memcpy(into, me.input_.data(), size);
    me.has_input_ = me.peeking_;
    return static_cast<int>(size);
}

long dtls_engine::control(BIO* bio, int command, long number, void* pointer) noexcept {
    dtls_engine& me = of(bio);
    switch (command) {
        case BIO_CTRL_FLUSH:
        case BIO_CTRL_DUP: return 1;
        case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT: me.set_timer(static_cast<timeval*>(pointer)); return 1;
        case BIO_CTRL_DGRAM_SET_PEEK_MODE: me.peeking_ = number != 0; return 1;
        case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return static_cast<long>(me.settings_.overhead_bytes + cipher_bytes);
        case BIO_CTRL_DGRAM_QUERY_MTU:
        case BIO_CTRL_DGRAM_GET_MTU:
        case BIO_CTRL_DGRAM_GET_FALLBACK_MTU: return static_cast<long>(me.path_bytes_ - me.settings_.overhead_bytes);
        default: return 0;
    }
}

// How long OpenSSL's own timer runs. It is not to expire before we say so, so: for more than an hour.
unsigned dtls_engine::wait_of(SSL* connection, unsigned before_us) noexcept {
    const auto& me = *static_cast<const dtls_engine*>(SSL_get_app_data(connection));
    if (timer_is_shown() && !me.settings_.system_clock) return 4'000'000'000u;
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
        before_us == 0 ? me.settings_.first_wait
                       : std::min(wait_max, 2 * duration(std::chrono::microseconds(before_us))));
    return static_cast<unsigned>(std::max<std::int64_t>(us.count(), 1));
}

void dtls_engine::set_timer(timeval* openssls) noexcept {
    openssls_timer_ = openssls;
    if (openssls->tv_sec == 0 && openssls->tv_usec == 0) {
        due_ = no_deadline;
        unanswered_ = 0;
        return;
    }
    if (retransmitting_) {
        wait_ = std::min(wait_max, 2 * wait_);
    } else if (due_ == no_deadline) {
        wait_ = settings_.first_wait;
    }
    due_ = saturating_add(now_, wait_);
}

void dtls_engine::saw(int sent, int, int type, const void*, std::size_t, SSL*, void* self) noexcept {
    if (sent == 0 && (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT || type == SSL3_RT_CHANGE_CIPHER_SPEC))
        static_cast<dtls_engine*>(self)->effect_ = true;
}

void dtls_engine::take_cookies(SSL_CTX* context) noexcept {
    // hellos are answered before there is a connection (cookie_secrets); this one's cookie was good
    SSL_CTX_set_cookie_verify_cb(context, [](SSL* connection, const unsigned char* given, unsigned size) {
        const auto* const me = static_cast<const dtls_engine*>(SSL_get_app_data(connection));
        return me && size == cookie_bytes && std::memcmp(given, me->verified_.data(), cookie_bytes) == 0 ? 1 : 0;
    });
    SSL_CTX_set_cookie_generate_cb(context, [](SSL*, unsigned char*, unsigned*) { return 0; });
}

// ---- the ways

void dtls_engine::set_path(std::size_t bytes) noexcept {
    path_bytes_ = bytes;
    const std::size_t whole = phase_ == phase::shaking_hands ? std::min(bytes, flight_bytes_max) - cipher_bytes : bytes;
    SSL_set_mtu(ssl_.get(), static_cast<long>(whole - settings_.overhead_bytes));
}

bool dtls_engine::shrink() noexcept {
    const auto* const next =
        std::find_if(path_steps.begin(), path_steps.end(), [this](std::size_t step) { return step < path_bytes_; });
    if (next == path_steps.end()) return false;
    set_path(*next);
    return true;
}

std::size_t dtls_engine::payload_max() const noexcept {
    return phase_ == phase::open ? std::min(DTLS_get_data_mtu(ssl_.get()), message_bytes_max) : 0;
}

// ---- entries

bool dtls_engine::start_client(time_point now) noexcept {
    if (!SSL_get_rbio(ssl_.get())) return false;
    now_ = now;
    drive();
    return true;
}

bool dtls_engine::start_server(const_bytes hello, const cookie& verified, time_point now) noexcept {
    if (!SSL_get_rbio(ssl_.get())) return false;
    now_ = now;
    verified_ = verified;
    input_ = hello;
    has_input_ = true;
    ERR_clear_error();
    BIO_ADDR* const nobody = BIO_ADDR_new();
    const int taken = nobody ? DTLSv1_listen(ssl_.get(), nobody) : -1;
    BIO_ADDR_free(nobody);
    peeking_ = false;
    if (taken != 1) {
        ERR_clear_error();
        has_input_ = false;
        return false;
    }
    set_path(path_bytes_);
    drive();
    has_input_ = false;
    input_ = {};
    return true;
}

bool dtls_engine::feed(const_bytes datagram, time_point now) noexcept {
    if (phase_ == phase::failed || phase_ == phase::ended) return false;
    now_ = now;
    effect_ = false;
    if (phase_ == phase::open) (void)SSL_alloc_buffers(ssl_.get());
    // one record at a time: several together may be more than OpenSSL reads with one call
    while (const std::optional<record> one = take_record(datagram)) {
        if (one->epoch > 0 && one->body().size() < sealed_bytes_min()) continue;
        // OpenSSL keeps up to a hundred of them, each with a whole read buffer; the peer sends again what is lost
        if (one->epoch > 0 && !opens_sealed() && early_++ == early_records_max) {
            --early_;
            continue;
        }
        input_ = one->whole;
        has_input_ = true;
        drive();
        has_input_ = false;
        if (phase_ == phase::failed || phase_ == phase::ended) break;
    }
    input_ = {};
    rest();
    return effect_;
}

// The peer's change of its keys was due and has come; behind the handshake too.
bool dtls_engine::opens_sealed() const noexcept {
    if (phase_ != phase::shaking_hands) return true;
    const OSSL_HANDSHAKE_STATE at = SSL_get_state(ssl_.get());
    return at == TLS_ST_SR_CHANGE || at == TLS_ST_CR_CHANGE;
}

// OpenSSL 3.0 ends the connection for a sealed record that is shorter than its seal: anybody could send one.
std::size_t dtls_engine::sealed_bytes_min() const noexcept {
    const SSL_CIPHER* used = SSL_get_current_cipher(ssl_.get());
    if (!used) used = SSL_get_pending_cipher(ssl_.get());
    if (!used) return std::numeric_limits<std::size_t>::max();  // no peer of ours can have sealed anything yet
    // a block for the vector, and what the longest digest takes; no cipher's shortest record is shorter
    if (SSL_CIPHER_is_aead(used) == 0) return 48;
    const std::string_view name = SSL_CIPHER_get_name(used);
    const bool short_seal = name.find("CHACHA20") != name.npos || name.find("CCM8") != name.npos;
    return short_seal ? 16 : cipher_bytes;
}

void dtls_engine::expire(time_point now) noexcept {
    now_ = now;
    if (due_ == no_deadline || now < due_ || phase_ == phase::failed || phase_ == phase::ended) return;
    if (++unanswered_ > 2) (void)shrink();
    if (phase_ == phase::open) (void)SSL_alloc_buffers(ssl_.get());
    if (retransmit()) smaller_while_too_long();
    rest();
}

// Makes OpenSSL believe that its timer has expired.
bool dtls_engine::retransmit() noexcept {
    ERR_clear_error();
    const time_point was_due = due_;
    if (openssls_timer_ && timer_is_shown() && !settings_.system_clock) *openssls_timer_ = {.tv_sec = 1, .tv_usec = 0};
    retransmitting_ = true;
    const long done = DTLSv1_handle_timeout(ssl_.get());
    retransmitting_ = false;
    if (done < 0) {
        const bool gave_up = ERR_GET_REASON(ERR_peek_error()) == SSL_R_READ_TIMEOUT_EXPIRED;
        fail_with(errc::other);
        if (gave_up) error_ = errc::timed_out;
        return false;
    }
    if (done > 0) ++retransmissions_;
    // by its own clock it is a bit early
    if (done == 0 && due_ == was_due) due_ = now_ + std::chrono::milliseconds(10);
    return true;
}

// What did not fit is sent again at once in smaller pieces: nobody has got it.
void dtls_engine::smaller_while_too_long() noexcept {
    while (std::exchange(too_long_, false) && phase_ == phase::shaking_hands && due_ != no_deadline) {
        if (!shrink()) return fail_with(errc::message_too_long);
        const duration wait = wait_;
        const std::uint32_t unanswered = unanswered_;
        if (!retransmit()) return;
        wait_ = wait;
        unanswered_ = unanswered;
        due_ = saturating_add(now_, wait_);
    }
}

void dtls_engine::drive() noexcept {
    if (phase_ == phase::shaking_hands) {
        ERR_clear_error();
        const int done = SSL_do_handshake(ssl_.get());
        if (done != 1) {
            const int why = SSL_get_error(ssl_.get(), done);
            if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return fail_with(errc::bad_message);
            return smaller_while_too_long();
        }
        smaller_while_too_long();
        phase_ = phase::open;
        set_path(path_bytes_);
        effect_ = true;
    }
    if (phase_ == phase::open) read_messages();
}

void dtls_engine::read_messages() noexcept {
    unsigned char message[message_bytes_max];
    for (;;) {
        ERR_clear_error();
        const int size = SSL_read(ssl_.get(), message, sizeof message);
        if (size > 0) {
            effect_ = heard_ = true;
            sink_.arrived(std::as_bytes(std::span(message, static_cast<std::size_t>(size))));
            continue;
        }
        switch (SSL_get_error(ssl_.get(), size)) {
            case SSL_ERROR_WANT_READ:
            case SSL_ERROR_WANT_WRITE: return;
            case SSL_ERROR_ZERO_RETURN:
                effect_ = heard_ = true;
                shut_down(now_);
                phase_ = phase::ended;
                return;
            default: return fail_with(errc::bad_message);
        }
    }
}

result<void> dtls_engine::send(const_bytes message, time_point now) noexcept {
    now_ = now;
    if (phase_ != phase::open) return fail(phase_ == phase::failed ? error_ : error(errc::broken_pipe));
    if (message.empty()) return fail(errc::invalid_argument);
    if (message.size() > payload_max()) return fail(errc::message_too_long);
    ERR_clear_error();
    output_error_.reset();
    (void)SSL_alloc_buffers(ssl_.get());
    const int sent = SSL_write(ssl_.get(), message.data(), static_cast<int>(message.size()));
    const bool too_long = std::exchange(too_long_, false);
    rest();
    if (sent <= 0) {
        fail_with(errc::other);
        return fail(error_);
    }
    if (too_long) (void)shrink();
    if (const std::optional<error> lost = std::exchange(output_error_, std::nullopt)) return fail(*lost);
    return {};
}

void dtls_engine::shut_down(time_point now) noexcept {
    if (phase_ != phase::open || std::exchange(said_goodbye_, true)) return;
    now_ = now;
    ERR_clear_error();
    (void)SSL_alloc_buffers(ssl_.get());
    (void)SSL_shutdown(ssl_.get());
    ERR_clear_error();
    // it would not answer the peer's last flight any more
    SSL_set_shutdown(ssl_.get(), SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN);
}

void dtls_engine::fail_with(errc otherwise) noexcept {
    error_ = take_error(otherwise, ssl_.get());
    phase_ = phase::failed;
    due_ = no_deadline;
}

// Gives the record buffers back, if nothing is in them.
void dtls_engine::rest() noexcept {
    if (phase_ == phase::open) (void)SSL_free_buffers(ssl_.get());
}

}  // namespace co_wq::net::tls::detail
