#include "net/tls/detail/ticket_keys.hpp"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <algorithm>

namespace co_wq::net::tls::detail {

void ticket_keys::wipe(std::optional<key>& one) noexcept {
    if (one) OPENSSL_cleanse(&*one, sizeof *one);
    one.reset();
}

bool ticket_keys::rotate(time_point now) noexcept {
    if (older_ && now - older_->made >= 2 * lifetime_) wipe(older_);
    if (newest_ && now - newest_->made < lifetime_) return true;
    key fresh{};
    if (RAND_bytes(fresh.name.data(), static_cast<int>(fresh.name.size())) != 1 ||
        RAND_priv_bytes(fresh.cipher.data(), static_cast<int>(fresh.cipher.size())) != 1 ||
        RAND_priv_bytes(fresh.digest.data(), static_cast<int>(fresh.digest.size())) != 1)
        return OPENSSL_cleanse(&fresh, sizeof fresh), false;
    fresh.made = now;
    wipe(older_);
    if (newest_ && now - newest_->made < 2 * lifetime_) older_ = newest_;
    wipe(newest_);
    newest_ = fresh;
    OPENSSL_cleanse(&fresh, sizeof fresh);
    return true;
}

std::optional<ticket_keys::key> ticket_keys::current(time_point now) noexcept {
    const std::scoped_lock guard(lock_);
    if (!rotate(now)) return std::nullopt;
    return newest_;
}

std::optional<ticket_keys::found> ticket_keys::find(const unsigned char name[16], time_point now) noexcept {
    const std::scoped_lock guard(lock_);
    (void)rotate(now);
    for (const std::optional<key>* one : {&newest_, &older_})
        if (*one && std::equal((*one)->name.begin(), (*one)->name.end(), name)) return found{**one, one == &older_};
    return std::nullopt;
}

void ticket_keys::forget() noexcept {
    const std::scoped_lock guard(lock_);
    wipe(newest_);
    wipe(older_);
}

int ticket_keys::seal_or_open(unsigned char name[16], unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* digest,
                              bool seal) noexcept {
    key with{};
    bool renew = false;
    // on every way out: what a server's tickets are sealed with is not left on the stack
    struct wiped {
        key& what;
        ~wiped() { OPENSSL_cleanse(&what, sizeof what); }
    } const at_the_end{with};
    if (seal) {
        std::optional<key> newest = current(steady_now());
        if (!newest) return -1;
        with = *newest;
        wipe(newest);
        std::copy(with.name.begin(), with.name.end(), name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    } else {
        std::optional<found> known = find(name, steady_now());
        if (!known) return 0;  // a full handshake
        with = known->with;
        renew = known->renew;
        OPENSSL_cleanse(&known->with, sizeof known->with);
    }
    char sha256[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, with.digest.data(), with.digest.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0), OSSL_PARAM_construct_end()};
    const bool ready = EVP_MAC_CTX_set_params(digest, parameters) == 1 &&
                       EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, with.cipher.data(), iv, seal ? 1 : 0) == 1;
    if (!ready) return -1;
    return renew ? 2 : 1;
}

}  // namespace co_wq::net::tls::detail
