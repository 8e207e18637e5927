#include "net/tls/detail/session.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "net/tls/errors.hpp"

namespace co_wq::net::tls::detail {
namespace {

// How much one attempt does before others on the loop have their turn: 512 KiB of full records.
constexpr int records_in_a_turn = 32;
// A key is good for 2^24.5 full records of AES-GCM (RFC 8446 section 5.5).
constexpr std::uint64_t records_with_a_key = std::uint64_t(1) << 23;
// What tells an awaiter that the session knows why.
constexpr std::int32_t session_knows = -EPROTO;

}  // namespace

// The socket, as OpenSSL sees it.
struct session::bio_calls {
    static session& of(BIO* bio) noexcept { return *static_cast<session*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* into, int size) noexcept {
        session& me = of(bio);
        BIO_clear_retry_flags(bio);
        if (size <= 0) return 0;
        if (me.received_begin_ < me.received_.size()) {
            const std::size_t moved =
                std::min(static_cast<std::size_t>(size), me.received_.size() - me.received_begin_);
            std::memcpy(into, me.received_.data() + me.received_begin_, moved);
            me.received_begin_ += moved;
            if (me.received_begin_ == me.received_.size()) std::vector<std::byte>().swap(me.received_);
            if (me.received_.empty()) me.received_begin_ = 0;
            return static_cast<int>(moved);
        }
        // the socket is asked once by each call: what floods us would keep OpenSSL inside for as long as it comes
        if (std::exchange(me.socket_read_, true)) {
            BIO_set_retry_read(bio);
            return -1;
        }
        io::descriptor& entry = *me.socket_.where().entry;
        op_slot::io_payload io{into, static_cast<std::uint32_t>(size), entry.index};
        const std::int32_t got = me.socket_.loop().reactor().attempt(entry, op_kind::recv, io::op_detail::plain, io);
        if (got > 0) return got;
        if (got == 0) me.socket_ended_ = true;
        if (got == io::would_block) {
            me.socket_empty_ = true;
            BIO_set_retry_read(bio);
        } else if (got < 0) {
            me.socket_error_ = from_errno(-got);
        }
        return -1;
    }

    static int write(BIO* bio, const char* data, int size) noexcept {
        session& me = of(bio);
        BIO_clear_retry_flags(bio);
        if (size <= 0) return 0;
        if (me.out_.put(as_bytes({data, static_cast<std::size_t>(size)}))) return size;
        BIO_set_retry_write(bio);
        return -1;
    }

    static long control(BIO*, int what, long, void*) noexcept { return what == BIO_CTRL_FLUSH ? 1 : 0; }

    static const BIO_METHOD* method() noexcept {
        static BIO_METHOD* const made = [] {
            BIO_METHOD* const one = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "co_wq socket");
            if (!one) return one;
            BIO_meth_set_read(one, &read);
            BIO_meth_set_write(one, &write);
            BIO_meth_set_ctrl(one, &control);
            return one;
        }();
        return made;
    }
};

session::session(io::socket socket, SSL* connection, std::vector<std::byte> received)
    : socket_(std::move(socket)),
      out_(socket_),
      ssl_(connection),
      received_(std::move(received)),
      rekey_after_(records_with_a_key) {
    if (!attach_bio()) throw std::bad_alloc();
}

session::~session() {
    // the session may be resumed although this connection did not end in good order, unless it failed
    if (!write_error_ && (!read_end_ || read_end_->in_good_order || read_end_->why == errc::truncated))
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ssl_.reset();
    ERR_clear_error();
}

bool session::attach_bio() noexcept {
    const BIO_METHOD* const method = bio_calls::method();
    BIO* const bio = method ? BIO_new(method) : nullptr;
    if (!bio) return false;
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    return true;
}

void session::enter() noexcept {
    ERR_clear_error();
    socket_empty_ = socket_read_ = false;
}

error session::transport_or(errc otherwise) const noexcept {
    if (socket_error_) return *socket_error_;
    if (out_.failure()) return *out_.failure();
    return error(otherwise);
}

// ---- reading

io::layered_io& session::begin_reading(aim what, bytes into, std::size_t lend_bytes) noexcept {
    socket_.loop().reactor().stand_down(*socket_.where().entry, io::direction::read);
    CO_WQ_REQUIRE(!socket_.where().entry->reader, "one receive may wait on a stream; another one is waiting already");
    aim_ = what;
    into_ = into;
    lend_bytes_ = lend_bytes;
    return reader_;
}

bool session::reading::may_succeed() const noexcept {
    if (of_.aim_ == aim::handshake && !of_.begun_) return true;
    return of_.read_end_ || of_.kept_inside_ || !of_.received_.empty() || of_.socket_.maybe_readable();
}

std::int32_t session::reading::attempt(op_slot::io_payload& io) noexcept {
    std::int32_t got = 0;
    switch (of_.aim_) {
        case aim::handshake: got = of_.shake_hands(); break;
        case aim::fill: got = of_.fill(of_.into_); break;
        case aim::lend: got = of_.lend(io); break;
        case aim::rest: got = of_.take_rest(); break;
    }
    of_.after_reading(got);
    of_.send_rest();
    return got;
}

std::int32_t session::shake_hands() noexcept {
    begun_ = true;
    for (int i = 0; i < records_in_a_turn; ++i) {
        enter();
        const int outcome = SSL_do_handshake(ssl_.get());
        if (outcome == 1) {
            kept_inside_ = SSL_has_pending(ssl_.get()) == 1;
            return 1;
        }
        switch (judge_read(outcome)) {
            case step::wait: return io::would_block;
            case step::again: break;
            case step::done:
            case step::over: return session_knows;
        }
    }
    return io::once_more;
}

std::int32_t session::fill(bytes into) noexcept {
    std::size_t total = 0;
    step last = step::done;
    int tries = 0;
    for (; !read_end_ && total < into.size() && tries < records_in_a_turn; ++tries) {
        if (total > 0 && SSL_has_pending(ssl_.get()) == 0 && !socket_.maybe_readable()) break;
        enter();
        std::size_t got = 0;
        const int outcome = SSL_read_ex(ssl_.get(), into.data() + total, into.size() - total, &got);
        total += got;
        last = outcome == 1 ? step::done : judge_read(outcome);
        if (last != step::done) break;  // others have their turn, also when something came that was no data
    }
    kept_inside_ = last != step::wait && SSL_has_pending(ssl_.get()) == 1;
    if (total > 0) return static_cast<std::int32_t>(total);
    if (read_end_) return read_end_->in_good_order ? 0 : session_knows;
    if (into.empty()) return 0;
    return last == step::wait ? io::would_block : io::once_more;
}

// Plaintext needs a block before OpenSSL says whether there is any; without any it goes back at once.
std::int32_t session::lend(op_slot::io_payload& io) noexcept {
    io::buffer_pool& pool = socket_.loop().reactor().buffers();
    if (read_end_) {
        if (!read_end_->in_good_order) return session_knows;
        io.data = nullptr;
        return 0;
    }
    std::uint32_t capacity = 0;
    std::byte* const block = pool.take_raw(lend_bytes_, capacity);
    const std::int32_t got = fill({block, capacity});
    if (got > 0) {
        io.data = block;
        io.length = capacity;
        return got;
    }
    pool.give_back(block, capacity);
    if (got == 0) io.data = nullptr;
    return got;
}

// Of a message, and nothing behind it: what the application has not asked for stays in the socket.
std::int32_t session::take_rest() noexcept {
    for (int i = 0; i < records_in_a_turn && half_message() && !read_end_; ++i) {
        enter();
        const int outcome = SSL_do_handshake(ssl_.get());
        if (outcome == 1) break;
        if (judge_read(outcome) == step::wait) {
            kept_inside_ = false;
            return io::would_block;
        }
    }
    kept_inside_ = SSL_has_pending(ssl_.get()) == 1;
    return half_message() && !read_end_ ? io::once_more : 0;
}

// Whoever waits for the rest of a message goes on when it is there, never comes, or the reader leaves without it.
void session::after_reading(std::int32_t got) noexcept {
    const bool half = half_message();
    if (!half) do_what_waited();
    if (write_waits_ && (!half || read_end_ || (got != io::would_block && got != io::once_more))) retry_writer();
}

void session::read_rest() noexcept {
    io::descriptor& entry = *socket_.where().entry;
    if (!write_waits_ || entry.reader || !half_message() || read_end_) return;
    aim_ = aim::rest;
    into_ = {};
    socket_.loop().reactor().stand_by(entry, reader_, io::direction::read);
}

// What a call that has to read and did not succeed means.
session::step session::judge_read(int outcome) noexcept {
    const bool shaking = aim_ == aim::handshake;
    switch (SSL_get_error(ssl_.get(), outcome)) {
        case SSL_ERROR_WANT_READ: return socket_empty_ ? step::wait : step::again;
        case SSL_ERROR_ZERO_RETURN:
            if (!shaking &&
                half_message()) {  // records of another kind have no place between its parts (RFC 8446, 5.1)
                read_failed(error(errc::bad_message), true);
            } else {
                read_end_ = end{!shaking, error(errc::unexpected_eof)};
            }
            return step::over;
        case SSL_ERROR_SSL: read_failed(take_error(errc::bad_message, ssl_.get()), true); return step::over;
        case SSL_ERROR_SYSCALL:
            if (!socket_ended_) {
                read_failed(transport_or(errc::bad_message), false);
            } else {
                read_failed(shaking ? transport_or(errc::unexpected_eof) : error(errc::truncated), false);
            }
            return step::over;
        // a peer that makes us answer and reads nothing of it
        default: read_failed(error(errc::limit_exceeded), true); return step::over;
    }
}

// A fault of the protocol ends both directions.
std::int32_t session::read_failed(error why, bool protocol) noexcept {
    ERR_clear_error();
    read_end_ = end{false, why};
    if (protocol && !write_error_) write_error_ = why;
    if (protocol) retry_writer();
    return session_knows;
}

// ---- writing

void session::retry_writer() noexcept {
    op_slot* const waiting = socket_.where().entry->writer;
    if (waiting) socket_.loop().reactor().retry(*waiting);
}

// A call that writes enters the handshake's state machine while that has a message in part, and would read.
bool session::half_message() const noexcept {
    return SSL_in_init(ssl_.get()) == 1 && SSL_want(ssl_.get()) != SSL_WRITING;
}

io::layered_io& session::begin_writing(const_bytes data) noexcept {
    socket_.loop().reactor().stand_down(*socket_.where().entry, io::direction::write);
    CO_WQ_REQUIRE(!socket_.where().entry->writer, "one send may wait on a stream; another one is waiting already");
    data_ = data;
    begun_to_take_ = false;
    write_waits_ = false;
    return writer_;
}

bool session::writing::may_succeed() const noexcept {
    return of_.write_error_ || of_.out_.failure() || of_.socket_.where().entry->writable;
}

std::int32_t session::writing::attempt(op_slot::io_payload&) noexcept { return of_.write(of_.data_); }

std::int32_t session::write(const_bytes& data) noexcept {
    out_.flush();
    write_waits_ = false;
    for (int i = 0;; ++i) {
        if (out_.failure()) return write_failed(*out_.failure());
        if (!out_.empty()) return io::would_block;
        if (data.empty() && !owes()) return 0;
        if (write_error_ || (send_ended_ && !data.empty())) return session_knows;
        if (half_message()) return await_rest();
        if (data.empty()) return 0;
        if (i == records_in_a_turn) return io::once_more;
        enter();
        if (++records_sent_ >= rekey_after_ && SSL_version(ssl_.get()) >= TLS1_3_VERSION) {
            if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1) records_sent_ = 0;
            ERR_clear_error();  // it is tried again, and says nothing about the write
        }
        std::size_t taken = 0;
        const int outcome = SSL_write_ex(ssl_.get(), data.data(), data.size(), &taken);
        if (outcome != 1) {
            // it never waits for room, and neither renegotiates nor authenticates again: there is nothing to read for
            (void)SSL_get_error(ssl_.get(), outcome);
            return write_failed(take_error(errc::other, ssl_.get()));
        }
        data = data.subspan(taken);
        begun_to_take_ = true;
    }
}

std::int32_t session::await_rest() noexcept {
    if (read_end_) return write_failed(read_end_->in_good_order ? error(errc::truncated) : read_end_->why);
    write_waits_ = true;
    read_rest();
    if (!socket_.where().entry->reader) return write_failed(error(errc::no_buffers));  // it cannot be waited for
    return io::until_retried;
}

std::int32_t session::write_failed(error why) noexcept {
    if (!write_error_) write_error_ = why;
    return session_knows;
}

void session::writing::left() noexcept {
    if (!of_.data_.empty() && of_.begun_to_take_) of_.cut_ = true;
    of_.data_ = {};
    of_.write_waits_ = false;
    of_.send_rest();
}

void session::send_rest() noexcept {
    if ((out_.empty() && !owes()) || socket_.where().entry->writer) return;
    data_ = {};
    socket_.loop().reactor().stand_by(*socket_.where().entry, writer_, io::direction::write);
}

// ---- ends

result<void> session::end_sending() noexcept {
    if (std::exchange(send_ended_, true)) return {};
    if (write_error_ || out_.failure()) return fail(out_.failure().value_or(write_error()));
    if (half_message()) {
        end_waits_ = true;
    } else if (const result<void> said = say_end(); !said) {
        return said;
    }
    // a send that waits goes on until what was taken of it is out
    retry_writer();
    send_rest();
    return {};
}

result<void> session::say_end() noexcept {
    enter();
    if (SSL_shutdown(ssl_.get()) < 0) {
        write_error_ = take_error(errc::other, ssl_.get());
        return fail(*write_error_);
    }
    if (out_.failure()) return fail(*out_.failure());
    return {};
}

result<void> session::update_keys(bool peers_too) noexcept {
    if (write_error_) return fail(*write_error_);
    if (send_ended_) return fail(errc::broken_pipe);
    if (SSL_version(ssl_.get()) < TLS1_3_VERSION) return fail(errc::not_supported);
    const int kind = peers_too ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    if (half_message()) {
        keys_wait_ = std::max(keys_wait_.value_or(kind), kind);
        retry_writer();
        send_rest();
        return {};
    }
    const result<void> renewed = renew_keys(kind);
    send_rest();
    return renewed;
}

result<void> session::renew_keys(int kind) noexcept {
    enter();
    if (SSL_key_update(ssl_.get(), kind) != 1 || SSL_do_handshake(ssl_.get()) != 1)
        return fail(take_error(errc::other, ssl_.get()));
    records_sent_ = 0;
    if (out_.failure()) return fail(*out_.failure());
    return {};
}

// In the order in which it was asked for.
void session::do_what_waited() noexcept {
    if (!owes()) return;
    const std::optional<int> keys = std::exchange(keys_wait_, std::nullopt);
    const bool end = std::exchange(end_waits_, false);
    if (write_error_) return;
    const result<void> renewed = keys ? renew_keys(*keys) : result<void>();
    if (!renewed) {
        (void)write_failed(renewed.error());
    } else if (end) {
        (void)say_end();
    }
}

void session::say_goodbye() noexcept {
    const op_slot* const waiting = socket_.where().entry->writer;
    const bool whole = !cut_ && !(waiting && waiting->waiter()) && !write_error_;
    if (!whole) return;
    if (aim_ != aim::handshake && half_message()) after_reading(take_rest());  // it may be there
    if (SSL_is_init_finished(ssl_.get()) == 0) return;
    out_.flush();
    if (!send_ended_ && out_.empty()) (void)end_sending();
    drop_unread();  // tickets that came behind the handshake, say
}

void session::drop_unread() noexcept {
    io::descriptor& entry = *socket_.where().entry;
    std::byte dropped[4096];
    for (int i = 0; i < 16; ++i) {
        op_slot::io_payload io{dropped, sizeof dropped, entry.index};
        if (socket_.loop().reactor().attempt(entry, op_kind::recv, io::op_detail::plain, io) <= 0) return;
    }
}

}  // namespace co_wq::net::tls::detail
