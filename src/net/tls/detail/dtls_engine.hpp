// dtls_engine: one DTLS 1.2 connection without a socket: datagrams in, datagrams out, told what time it is.
//
// For:        dtls_association.
// Guarantees: no call waits. Records that are corrupt, forged, repeated or of another epoch change nothing. The
//             retransmission timer runs on the time that is told, not on the system's clock: it is right in simulated
//             time, and when somebody sets the clock. An idle connection holds no record buffers.
// Timer:      first, then doubled up to 60 s (RFC 6347 section 4.2.4.1); after the second that brought no answer, and
//             when a datagram is too long for the way, flights go in smaller pieces. After 12 the handshake fails
//             with timed_out.
// Errors:     the first ends the connection; what() says which: a certificate_ error, alert_received,
//             no_common_protocol, bad_message, timed_out.
// Threads:    the loop's own. Lifetime: the sink outlives the engine.
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "net/tls/detail/dtls_records.hpp"
#include "net/tls/detail/openssl.hpp"

struct timeval;

namespace co_wq::net::tls::detail {

// Where an engine's work goes. Called from inside the engine: must not destroy it.
class engine_sink {
public:
    // A datagram for the peer. message_too_long: the way does not take it. Nothing is ever sent again by itself.
    virtual result<void> output(const_bytes datagram) noexcept = 0;
    // One message of the peer's.
    virtual void arrived(const_bytes message) noexcept = 0;

protected:
    ~engine_sink() = default;
};

inline constexpr std::size_t path_bytes_min = 296;

struct engine_settings {
    duration first_wait = std::chrono::seconds(1);
    std::size_t path_bytes = 1400;      // a packet's, with its IP and UDP headers; at least path_bytes_min
    std::size_t overhead_bytes = 28;    // those headers'
    bool system_clock = false;          // keep OpenSSL's own time, as with versions whose timer we cannot set
};

class dtls_engine {
public:
    enum class phase : std::uint8_t { shaking_hands, open, ended, failed };  // ended: the peer said goodbye

    dtls_engine(ssl_ptr connection, engine_sink& sink, engine_settings settings) noexcept;
    dtls_engine(const dtls_engine&) = delete;
    dtls_engine& operator=(const dtls_engine&) = delete;
    ~dtls_engine();

    // False: no memory.
    bool start_client(time_point now) noexcept;
    // hello: a datagram whose cookie has been verified. False: OpenSSL does not take it.
    bool start_server(const_bytes hello, const cookie& verified, time_point now) noexcept;
    // True: it had an effect.
    bool feed(const_bytes datagram, time_point now) noexcept;
    // What is due now is done.
    void expire(time_point now) noexcept;
    // When expire has to be called; no_deadline: never, as it is.
    time_point due() const noexcept { return due_; }

    // message_too_long: more than payload_max, or than the way takes, and nothing was sent.
    result<void> send(const_bytes message, time_point now) noexcept;
    // Says goodbye, once. What comes from a peer that still shakes hands is answered even then.
    void shut_down(time_point now) noexcept;

    phase now_is() const noexcept { return phase_; }
    error what() const noexcept { return error_; }
    bool is_server() const noexcept { return SSL_is_server(ssl_.get()) != 0; }
    bool resumed() const noexcept { return SSL_session_reused(ssl_.get()) != 0; }
    // The peer may not know yet that the handshake is over: our flight was the last one, and nothing has come since.
    bool last_flight_open() const noexcept { return !heard_ && is_server() != resumed(); }
    std::size_t payload_max() const noexcept;
    std::size_t path_bytes() const noexcept { return path_bytes_; }
    // A datagram turned out to be too long for the way. False: it cannot get any smaller.
    bool shrink() noexcept;
    SSL* native() const noexcept { return ssl_.get(); }
    std::uint32_t retransmissions() const noexcept { return retransmissions_; }

    // As SSL_CTX_set_cookie_verify_cb and its like want them, for contexts of servers.
    static void take_cookies(SSL_CTX* context) noexcept;

private:
    static const BIO_METHOD* method() noexcept;
    static dtls_engine& of(BIO* bio) noexcept { return *static_cast<dtls_engine*>(BIO_get_data(bio)); }
    static int write(BIO* bio, const char* data, int size) noexcept;
    static int read(BIO* bio, char* into, int room) noexcept;
    static long control(BIO* bio, int command, long number, void* pointer) noexcept;
    static unsigned wait_of(SSL* connection, unsigned before_us) noexcept;
    static void saw(int sent, int version, int type, const void* data, std::size_t size, SSL* connection,
                    void* self) noexcept;
    void set_timer(timeval* openssls) noexcept;
    void set_path(std::size_t bytes) noexcept;
    std::size_t sealed_bytes_min() const noexcept;
    bool opens_sealed() const noexcept;
    void drive() noexcept;
    void read_messages() noexcept;
    void smaller_while_too_long() noexcept;
    bool retransmit() noexcept;
    void fail_with(errc otherwise) noexcept;
    void rest() noexcept;

    ssl_ptr ssl_;
    engine_sink& sink_;
    const engine_settings settings_;
    phase phase_ = phase::shaking_hands;
    error error_ = errc::closed;
    const_bytes input_{};
    bool has_input_ = false, peeking_ = false;
    unsigned early_ = 0;  // sealed records that came before their key
    bool retransmitting_ = false, too_long_ = false, effect_ = false, heard_ = false, said_goodbye_ = false;
    std::optional<error> output_error_;
    std::size_t path_bytes_;
    time_point now_{}, due_ = no_deadline;
    duration wait_{};
    timeval* openssls_timer_ = nullptr;
    std::uint32_t retransmissions_ = 0, unanswered_ = 0;
    cookie verified_{};
};

}  // namespace co_wq::net::tls::detail
