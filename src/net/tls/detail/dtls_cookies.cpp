#include "net/tls/detail/dtls_cookies.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

namespace co_wq::net::tls::detail {

cookie_secrets::~cookie_secrets() {
    OPENSSL_cleanse(newest_.data(), newest_.size());
    OPENSSL_cleanse(older_.data(), older_.size());
}

bool cookie_secrets::rotate(time_point now) noexcept {
    if (secrets_ > 0 && now - made_ < lifetime) return true;
    secret fresh;
    if (RAND_bytes(fresh.data(), static_cast<int>(fresh.size())) != 1) return false;
    // one that was not asked for during a whole lifetime more is too old to be the older
    secrets_ = secrets_ > 0 && now - made_ < 2 * lifetime ? 2 : 1;
    older_ = newest_;
    newest_ = fresh;
    OPENSSL_cleanse(fresh.data(), fresh.size());
    made_ = now;
    return true;
}

bool cookie_secrets::seal(const secret& with, const io::socket_address& client, const client_hello& hello,
                          cookie& out) noexcept {
    std::array<std::byte, 32 + 16 + 4 + 2 + 1 + 1 + 32> text{};
    std::size_t size = 0;
    const auto add = [&](const void* data, std::size_t count) {
        if (count > 0) std::memcpy(text.data() + size, data, count);
        size += count;
    };
    const std::uint32_t scope = client.scope();
    const std::uint16_t port = client.port();
    const auto family = static_cast<std::uint8_t>(client.family());
    const auto session_size = static_cast<std::uint8_t>(hello.session.size());
    add(hello.random.data(), hello.random.size());
    add(client.octets().data(), client.octets().size());
    add(&scope, sizeof scope);
    add(&port, sizeof port);
    add(&family, sizeof family);
    add(&session_size, sizeof session_size);
    add(hello.session.data(), hello.session.size());
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    if (!HMAC(EVP_sha256(), with.data(), static_cast<int>(with.size()),
              reinterpret_cast<const unsigned char*>(text.data()), size, digest, &digest_size) ||
        digest_size < out.size())
        return false;
    std::memcpy(out.data(), digest, out.size());
    return true;
}

std::optional<cookie> cookie_secrets::make(const io::socket_address& client, const client_hello& hello,
                                           time_point now) noexcept {
    cookie made;
    if (!rotate(now) || !seal(newest_, client, hello, made)) return std::nullopt;
    return made;
}

bool cookie_secrets::good(const io::socket_address& client, const client_hello& hello, time_point now) noexcept {
    if (hello.cookie.size() != cookie_bytes || !rotate(now)) return false;
    const secret* const secrets[] = {&newest_, &older_};
    for (int i = 0; i < secrets_; ++i) {
        cookie expected;
        if (!seal(*secrets[i], client, hello, expected)) return false;
        if (CRYPTO_memcmp(expected.data(), hello.cookie.data(), cookie_bytes) == 0) return true;
    }
    return false;
}

}  // namespace co_wq::net::tls::detail
