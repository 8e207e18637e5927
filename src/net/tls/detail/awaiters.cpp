#include "net/tls/detail/awaiters.hpp"

#include <cerrno>

#include "net/tls/detail/session.hpp"

namespace co_wq::net::tls::detail {

session_awaiter::session_awaiter(const awaiter_ops& ops, session& of, way what, bytes into, std::size_t size) noexcept
    : io_awaiter(ops, of.socket().where(), what == way::write ? op_kind::send : op_kind::recv, io::op_detail::layered,
                 nullptr, 0),
      session_(of),
      memory_(into),
      size_(size),
      way_(what) {
    io_.data = what == way::write ? &of.writer() : &of.reader();
}

void session_awaiter::begin() noexcept {
    switch (way_) {
        case way::handshake: session_.begin_reading(session::aim::handshake, {}, 0); break;
        case way::fill: session_.begin_reading(session::aim::fill, memory_, 0); break;
        case way::lend: session_.begin_reading(session::aim::lend, {}, size_); break;
        case way::write: session_.begin_writing(memory_); break;
    }
}

// It has ended without waiting.
void session_awaiter::began() noexcept {
    session_.send_rest();
    session_.read_rest();
}

result<std::uint32_t> session_awaiter::take() noexcept {
    result<std::uint32_t> got = take_result();
    if (!got && got.error().os_code() == EPROTO)
        return fail(way_ == way::write ? session_.write_error() : session_.read_error());
    return got;
}

result<io::lease> recv_lease_awaiter::await_resume() noexcept {
    const result<std::uint32_t> got = take();
    if (!got) return std::unexpected(got.error());
    if (!io_.data) return io::lease{};
    io::lease made = loop().reactor().buffers().adopt(io_.data, io_.length);
    made.set_size(*got);
    return made;
}

}  // namespace co_wq::net::tls::detail
