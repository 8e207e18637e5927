#include "net/tls/trust.hpp"

#include <openssl/pem.h>

#include <cstdlib>
#include <filesystem>
#include <new>

#include "base/os/system_trust.hpp"
#include "net/tls/detail/openssl.hpp"
#include "net/tls/errors.hpp"
#include "net/tls/identity.hpp"

namespace co_wq::net::tls {

struct trust::content {
    content() : store(X509_STORE_new()) {
        if (!store) throw std::bad_alloc();
    }
    detail::store_ptr store;
    std::size_t size = 0;
};

trust::trust() : content_(std::make_shared<content>()) {}

result<trust> trust::system() {
    const char* const named = std::getenv(X509_get_default_cert_file_env());
    if (named && *named) return from_file(named);
    os::system_trust found = os::read_system_trust();
    if (found.uses_openssl_file) found.files.insert(found.files.begin(), X509_get_default_cert_file());
    std::error_code problem;
    for (const std::string& usual : found.files)
        if (std::filesystem::exists(usual, problem)) return from_file(usual);
    trust made;
    for (const std::string& one : found.certificates) made.add_der(one);
    if (made.size() == 0) return fail(errc::not_found);
    return made;
}

// What the system has and OpenSSL cannot read is believed by nobody.
void trust::add_der(std::string_view one) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(one.data());
    const detail::x509_ptr native(d2i_X509(nullptr, &bytes, static_cast<long>(one.size())));
    if (native && X509_STORE_add_cert(content_->store.get(), native.get()) == 1) ++content_->size;
    ERR_clear_error();
}

result<trust> trust::from_pem(std::string_view text) {
    trust made;
    const result<void> added = made.add_pem(text);
    if (!added) return std::unexpected(added.error());
    return made;
}

result<trust> trust::from_file(const std::string& path) {
    const result<std::string> text = read_file(path);
    if (!text) return std::unexpected(text.error());
    return from_pem(*text);
}

namespace {

// Whether the text ended where it may: behind the last whole item.
result<void> at_end(std::size_t found) {
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return fail(detail::take_error(errc::certificate_invalid));
    ERR_clear_error();
    if (found == 0) return fail(errc::not_found);
    return {};
}

}  // namespace

result<void> trust::add_pem(std::string_view text) {
    ERR_clear_error();
    const detail::bio_ptr memory = detail::reader_of(text);
    std::size_t found = 0;
    while (const detail::x509_ptr one{PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)}) {
        if (X509_STORE_add_cert(content_->store.get(), one.get()) != 1)
            return fail(detail::take_error(errc::certificate_invalid));
        ++found;
    }
    content_->size += found;
    return at_end(found);
}

result<void> trust::add_revoked_pem(std::string_view text) {
    ERR_clear_error();
    const detail::bio_ptr memory = detail::reader_of(text);
    std::size_t found = 0;
    while (const detail::crl_ptr one{PEM_read_bio_X509_CRL(memory.get(), nullptr, nullptr, nullptr)}) {
        if (X509_STORE_add_crl(content_->store.get(), one.get()) != 1)
            return fail(detail::take_error(errc::certificate_invalid));
        ++found;
    }
    const result<void> ended = at_end(found);
    if (ended) X509_STORE_set_flags(content_->store.get(), X509_V_FLAG_CRL_CHECK);
    return ended;
}

std::size_t trust::size() const noexcept { return content_->size; }

x509_store_st* trust::native() const noexcept { return content_->store.get(); }

}  // namespace co_wq::net::tls
