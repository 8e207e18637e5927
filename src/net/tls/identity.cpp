#include "net/tls/identity.hpp"

#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/os/private_file.hpp"
#include "net/tls/detail/openssl.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::net::tls {
namespace {

constexpr std::uintmax_t file_bytes_max = 8 * 1024 * 1024;

// OpenSSL would ask at the terminal without it.
int give_passphrase(char* into, int room, int, void* context) {
    const auto& known = *static_cast<const std::string_view*>(context);
    if (known.empty() || known.size() > static_cast<std::size_t>(room)) return -1;
    std::memcpy(into, known.data(), known.size());
    return static_cast<int>(known.size());
}

result<detail::key_ptr> read_key(std::string_view text, std::string_view passphrase) {
    const detail::bio_ptr memory = detail::reader_of(text);
    detail::key_ptr key(PEM_read_bio_PrivateKey(memory.get(), nullptr, &give_passphrase, &passphrase));
    if (key) return key;
    const bool locked = text.find("ENCRYPTED") != text.npos;
    return fail(detail::take_error(locked ? errc::key_locked : errc::bad_message));
}

// Not what is in it.
void free_list(STACK_OF(X509) * list) { sk_X509_free(list); }

}  // namespace

struct identity::content {
    detail::x509_ptr native;
    std::vector<detail::x509_ptr> issuers;
    detail::key_ptr key;
    certificate leaf;

    template <class Use>
    result<void> put(Use use) const noexcept {
        ERR_clear_error();
        const std::unique_ptr<STACK_OF(X509), detail::freed_by<free_list>> list(sk_X509_new_null());
        for (const detail::x509_ptr& one : issuers)
            if (!list || sk_X509_push(list.get(), one.get()) == 0) return fail(errc::out_of_memory);
        if (use(native.get(), key.get(), list.get()) != 1) return fail(detail::take_error(errc::certificate_invalid));
        return {};
    }
};

result<identity> identity::from_pem(std::string_view chain, std::string_view key, std::string_view passphrase) {
    ERR_clear_error();
    auto made = std::make_shared<content>();
    const detail::bio_ptr memory = detail::reader_of(chain);
    made->native.reset(PEM_read_bio_X509_AUX(memory.get(), nullptr, &give_passphrase, &passphrase));
    if (!made->native) return fail(detail::take_error(errc::certificate_invalid));
    while (detail::x509_ptr issuer{PEM_read_bio_X509(memory.get(), nullptr, &give_passphrase, &passphrase)})
        made->issuers.push_back(std::move(issuer));
    // the end of the text looks like this; anything else is a certificate that is broken
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return fail(detail::take_error(errc::certificate_invalid));
    ERR_clear_error();
    result<detail::key_ptr> read = read_key(key, passphrase);
    if (!read) return std::unexpected(read.error());
    made->key = std::move(*read);
    if (X509_check_private_key(made->native.get(), made->key.get()) != 1)
        return fail(detail::take_error(errc::key_mismatch));
    result<certificate> leaf = certificate::from_native(made->native.get());
    if (!leaf) return std::unexpected(leaf.error());
    made->leaf = std::move(*leaf);
    return identity(std::move(made));
}

result<identity> identity::from_files(const std::string& chain_path, const std::string& key_path, key_options options) {
    const result<std::string> chain = read_file(chain_path);
    if (!chain) return std::unexpected(chain.error());
    result<std::string> key = read_file(key_path);
    if (!key) return std::unexpected(key.error());
    if (!options.allow_exposed && os::is_exposed(key_path)) {
        OPENSSL_cleanse(key->data(), key->size());
        return fail(errc::key_exposed);
    }
    result<identity> made = from_pem(*chain, *key, options.passphrase);
    OPENSSL_cleanse(key->data(), key->size());
    OPENSSL_cleanse(options.passphrase.data(), options.passphrase.size());
    return made;
}

const certificate& identity::leaf() const noexcept { return content_->leaf; }

result<void> identity::put_into(ssl_st* connection) const noexcept {
    return content_->put([connection](X509* own, EVP_PKEY* key, STACK_OF(X509) * issuers) {
        return SSL_use_cert_and_key(connection, own, key, issuers, 1);
    });
}

result<void> identity::put_into_all(ssl_ctx_st* context) const noexcept {
    return content_->put([context](X509* own, EVP_PKEY* key, STACK_OF(X509) * issuers) {
        return SSL_CTX_use_cert_and_key(context, own, key, issuers, 1);
    });
}

result<std::string> read_file(const std::string& path) {
    std::error_code problem;
    if (std::filesystem::is_directory(path, problem)) return fail(errc::invalid_argument);
    errno = 0;
    std::ifstream from(path, std::ios::binary);
    if (!from) return fail(from_errno(errno != 0 ? errno : ENOENT));
    std::string text;
    char block[16 * 1024];
    while (from.read(block, sizeof block) || from.gcount() > 0) {
        text.append(block, static_cast<std::size_t>(from.gcount()));
        if (text.size() <= file_bytes_max) continue;
        OPENSSL_cleanse(text.data(), text.size());
        OPENSSL_cleanse(block, sizeof block);
        return fail(errc::limit_exceeded);
    }
    OPENSSL_cleanse(block, sizeof block);
    return text;
}

}  // namespace co_wq::net::tls
