#include "net/tls/detail/dtls_records.hpp"

#include <algorithm>

namespace co_wq::net::tls::detail {
namespace {

constexpr std::uint8_t handshake_type = 22, hello_type = 1, verify_type = 3;
constexpr std::size_t message_header_bytes = 12;

std::uint64_t number_at(const_bytes from, std::size_t at, std::size_t count) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | std::to_integer<std::uint64_t>(from[at + i]);
    return value;
}

// A vector with a length of one byte; none: it does not fit.
std::optional<const_bytes> take_short(const_bytes& rest) noexcept {
    if (rest.empty()) return std::nullopt;
    const std::size_t size = number_at(rest, 0, 1);
    if (rest.size() - 1 < size) return std::nullopt;
    const const_bytes taken = rest.subspan(1, size);
    rest = rest.subspan(1 + size);
    return taken;
}

}  // namespace

std::optional<record> take_record(const_bytes& rest) noexcept {
    if (rest.size() < record_header_bytes) return std::nullopt;
    record made{.type = std::to_integer<std::uint8_t>(rest[0]),
                .version = static_cast<std::uint16_t>(number_at(rest, 1, 2)),
                .epoch = static_cast<std::uint16_t>(number_at(rest, 3, 2)),
                .sequence = number_at(rest, 5, 6)};
    const std::size_t length = number_at(rest, 11, 2);
    const bool known = made.type >= 20 && made.type <= 23 && made.version >> 8 == 0xfe;
    if (!known || rest.size() - record_header_bytes < length) return std::nullopt;
    made.whole = rest.first(record_header_bytes + length);
    rest = rest.subspan(record_header_bytes + length);
    return made;
}

std::optional<client_hello> parse_client_hello(const_bytes datagram) noexcept {
    const std::optional<record> in = take_record(datagram);
    if (!in || in->type != handshake_type || in->epoch != 0) return std::nullopt;
    const const_bytes message = in->body();
    if (message.size() < message_header_bytes || number_at(message, 0, 1) != hello_type) return std::nullopt;
    const std::size_t whole = number_at(message, 1, 3), sequence = number_at(message, 4, 2);
    const std::size_t offset = number_at(message, 6, 3), length = number_at(message, 9, 3);
    // message 0 without a cookie, 1 with one; the cookie has to be in the first fragment
    if (sequence > 1 || offset != 0 || length > whole || message.size() - message_header_bytes != length)
        return std::nullopt;
    const_bytes body = message.subspan(message_header_bytes);
    if (body.size() < 2 + 32 || number_at(body, 0, 1) != 0xfe) return std::nullopt;
    client_hello made;
    made.sequence = in->sequence;
    made.random = body.subspan(2, 32);
    body = body.subspan(2 + 32);
    const std::optional<const_bytes> session = take_short(body);
    if (!session || session->size() > 32) return std::nullopt;
    const std::optional<const_bytes> given = take_short(body);
    if (!given) return std::nullopt;
    made.session = *session;
    made.cookie = *given;
    return made;
}

std::array<std::byte, hello_verify_bytes> hello_verify(const client_hello& asked, const cookie& given) noexcept {
    std::array<std::byte, hello_verify_bytes> made{};
    std::size_t at = 0;
    const auto put = [&](std::uint64_t value, std::size_t count) {
        for (std::size_t i = count; i-- > 0;) made[at++] = static_cast<std::byte>(value >> (8 * i));
    };
    constexpr std::size_t body = 3 + cookie_bytes;
    put(handshake_type, 1);
    put(0xfeff, 2);  // DTLS 1.0, whatever is going to be spoken
    put(0, 2);
    put(asked.sequence, 6);
    put(message_header_bytes + body, 2);
    put(verify_type, 1);
    put(body, 3);
    put(0, 2);
    put(0, 3);
    put(body, 3);
    put(0xfeff, 2);
    put(cookie_bytes, 1);
    std::copy(given.begin(), given.end(), made.begin() + static_cast<std::ptrdiff_t>(at));
    return made;
}

}  // namespace co_wq::net::tls::detail
