// What contexts of clients and servers have in common.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "net/tls/detail/openssl.hpp"
#include "net/tls/versions.hpp"

namespace co_wq::net::tls::detail {

struct common_settings {
    transport over = transport::streams;
    version minimum = version::tls_1_2, maximum = version::tls_1_3;
    const std::string* ciphers = nullptr;  // of TLS 1.2; null or empty: OpenSSL's
};

// Security level 2 (112 bits), no compression, no renegotiation; buffers are held only while there is something in
// them.
result<ctx_ptr> make_context(const common_settings& wanted, bool server);

// "h2", "http/1.1" as on the wire (RFC 7301). invalid_argument: an empty or too long name.
result<std::string> alpn_wire(const std::vector<std::string>& names);

// An object of ours that a context or connection of OpenSSL's owns; one of each type.
template <class T>
class owned_data {
public:
    static bool give(SSL_CTX* to, std::unique_ptr<T> object) noexcept {
        if (SSL_CTX_set_ex_data(to, context_index(), object.get()) != 1) return false;
        (void)object.release();
        return true;
    }
    static bool give(SSL* to, std::unique_ptr<T> object) noexcept {
        if (SSL_set_ex_data(to, connection_index(), object.get()) != 1) return false;
        (void)object.release();
        return true;
    }
    static T* of(const SSL_CTX* owner) noexcept { return static_cast<T*>(SSL_CTX_get_ex_data(owner, context_index())); }
    static T* of(const SSL* owner) noexcept { return static_cast<T*>(SSL_get_ex_data(owner, connection_index())); }

private:
    static void drop(void*, void* object, CRYPTO_EX_DATA*, int, long, void*) noexcept {
        delete static_cast<T*>(object);
    }
    static int context_index() noexcept {
        static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, &drop);
        return index;
    }
    static int connection_index() noexcept {
        static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &drop);
        return index;
    }
};

}  // namespace co_wq::net::tls::detail
