// session: one connection's OpenSSL object between a socket and the operations on a stream.
//
// Guarantees: OpenSSL is entered on the loop's thread only, by one call at a time, and never across a suspension: an
//             operation enters it when it is tried, at once or when the socket is ready. A reader waits in the socket's
//             reading place and a writer in its writing place, each for its own direction only (outgoing.hpp says why a
//             read never waits for room). What a read leaves unsent goes out behind a writer that waits, or by itself.
//             While a message of the peer's has come in part (a ticket, say: OpenSSL then writes nothing) whoever wants
//             to write waits for the rest, and it is read: by the reader, or by itself when there is none.
//             No buffer is held while nothing is under way.
// Threads:    the loop's own. Lifetime: the stream's; closing the socket ends what waits, and no operation looks at the
//             session after that.
#pragma once

#include <optional>
#include <vector>

#include "io/socket.hpp"
#include "net/tls/detail/openssl.hpp"
#include "net/tls/detail/outgoing.hpp"

namespace co_wq::net::tls::detail {

class session final {
public:
    // What a read attempt is for.
    enum class aim : std::uint8_t { handshake, fill, lend, rest };

    // received: bytes of the peer's that were read from the socket before.
    session(io::socket socket, SSL* connection, std::vector<std::byte> received);
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session();

    io::socket& socket() noexcept { return socket_; }
    SSL* native() const noexcept { return ssl_.get(); }

    // ---- for awaiters: just before they wait
    io::layered_io& begin_reading(aim what, bytes into, std::size_t lend_bytes) noexcept;
    io::layered_io& begin_writing(const_bytes data) noexcept;
    io::layered_io& reader() noexcept { return reader_; }
    io::layered_io& writer() noexcept { return writer_; }
    // The operation ended or began to wait: what it left unsent goes out by itself.
    void send_rest() noexcept;
    // And the rest of a message that somebody waits for comes in by itself.
    void read_rest() noexcept;
    // Why the last attempt of this direction failed.
    error read_error() const noexcept { return read_end_->why; }
    error write_error() const noexcept { return write_error_.value_or(error(errc::broken_pipe)); }

    // ---- for the stream
    result<void> end_sending() noexcept;
    result<void> update_keys(bool peers_too) noexcept;
    // Before the socket is closed in good order: the peer is told, if that needs no waiting and is true.
    void say_goodbye() noexcept;
    // Reads what is there and drops it: a socket that is closed with unread bytes takes back what was sent.
    void drop_unread() noexcept;
    void set_rekey_after(std::uint64_t records) noexcept { rekey_after_ = records; }

private:
    class reading final : public io::layered_io {
    public:
        explicit reading(session& of) noexcept : of_(of) {}
        std::int32_t attempt(op_slot::io_payload& io) noexcept override;
        bool may_succeed() const noexcept override;
        void left() noexcept override { of_.read_rest(); }

    private:
        session& of_;
    };
    class writing final : public io::layered_io {
    public:
        explicit writing(session& of) noexcept : of_(of) {}
        std::int32_t attempt(op_slot::io_payload& io) noexcept override;
        bool may_succeed() const noexcept override;
        void left() noexcept override;

    private:
        session& of_;
    };
    // How receiving ended.
    struct end {
        bool in_good_order;
        error why;
    };
    enum class step : std::uint8_t { done, again, wait, over };
    struct bio_calls;

    // Before each call of OpenSSL's that may read or write.
    void enter() noexcept;
    std::int32_t shake_hands() noexcept;
    std::int32_t fill(bytes into) noexcept;
    std::int32_t lend(op_slot::io_payload& io) noexcept;
    std::int32_t take_rest() noexcept;
    step judge_read(int outcome) noexcept;
    std::int32_t read_failed(error why, bool protocol) noexcept;
    std::int32_t write(const_bytes& data) noexcept;
    std::int32_t write_failed(error why) noexcept;
    // A message of the peer's is here in part: OpenSSL writes nothing before it has the rest.
    bool half_message() const noexcept;
    std::int32_t await_rest() noexcept;
    void after_reading(std::int32_t got) noexcept;
    void do_what_waited() noexcept;
    // Something has to be said as soon as OpenSSL writes again.
    bool owes() const noexcept { return end_waits_ || keys_wait_; }
    result<void> say_end() noexcept;
    result<void> renew_keys(int kind) noexcept;
    void retry_writer() noexcept;
    error transport_or(errc otherwise) const noexcept;
    bool attach_bio() noexcept;

    io::socket socket_;
    outgoing out_;
    ssl_ptr ssl_;
    reading reader_{*this};
    writing writer_{*this};
    std::vector<std::byte> received_;
    std::size_t received_begin_ = 0;
    bytes into_{};
    std::size_t lend_bytes_ = 0;
    const_bytes data_{};
    std::optional<end> read_end_;
    std::optional<error> write_error_;
    std::optional<error> socket_error_;  // of the last read
    std::uint64_t rekey_after_;
    std::uint64_t records_sent_ = 0;
    aim aim_ = aim::handshake;
    bool begun_ = false;  // a handshake attempt was made
    bool kept_inside_ = false;  // OpenSSL may have bytes or records that it has not given out
    bool socket_empty_ = false;  // the last read of the socket said so
    bool socket_read_ = false;  // by the call that is under way
    bool socket_ended_ = false;
    bool send_ended_ = false;
    bool write_waits_ = false;  // for the rest of a message, in the writing place; and for the same:
    bool end_waits_ = false;  // close_notify
    std::optional<int> keys_wait_;  // new keys, of this kind
    bool begun_to_take_ = false;  // some of the send's bytes are on their way
    bool cut_ = false;  // a send left in the middle of its bytes
};

}  // namespace co_wq::net::tls::detail
