#include "support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace co_wq::test {
namespace {

using key_ptr = std::shared_ptr<EVP_PKEY>;
using x509_ptr = std::shared_ptr<X509>;

void must(bool good) {
    if (!good) std::abort();
}

std::string text_of(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(memory);
    return text;
}

std::string pem_of(X509* native) {
    BIO* const memory = BIO_new(BIO_s_mem());
    must(PEM_write_bio_X509(memory, native) == 1);
    return text_of(memory);
}

std::string pem_of(EVP_PKEY* key, const std::string& passphrase = {}) {
    BIO* const memory = BIO_new(BIO_s_mem());
    const bool locked = !passphrase.empty();
    must(PEM_write_bio_PKCS8PrivateKey(memory, key, locked ? EVP_aes_256_cbc() : nullptr,
                                       locked ? passphrase.data() : nullptr, static_cast<int>(passphrase.size()),
                                       nullptr, nullptr) == 1);
    return text_of(memory);
}

key_ptr make_key(key_kind kind, int rsa_bits = 2048) {
    EVP_PKEY* const made = kind == key_kind::ec
                               ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                               : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(rsa_bits));
    must(made);
    return {made, &EVP_PKEY_free};
}

void add_extension(X509* to, X509* issuer, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    must(made && X509_add_ext(to, made, -1) == 1);
    X509_EXTENSION_free(made);
}

void set_serial(X509* of) {
    unsigned char raw[8];
    must(RAND_bytes(raw, sizeof raw) == 1);
    raw[0] &= 0x7f;
    BIGNUM* const number = BN_bin2bn(raw, sizeof raw, nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(of));
    BN_free(number);
}

x509_ptr make(const wish& wanted, EVP_PKEY* own, X509* issuer, EVP_PKEY* signer) {
    x509_ptr made(X509_new(), &X509_free);
    X509* const one = made.get();
    X509_set_version(one, X509_VERSION_3);
    set_serial(one);
    X509_gmtime_adj(X509_getm_notBefore(one), wanted.valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(one), wanted.valid_until_s);
    X509_set_pubkey(one, own);
    X509_NAME* const name = X509_get_subject_name(one);
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0));
    X509_set_issuer_name(one, issuer ? X509_get_subject_name(issuer) : name);
    X509* const by = issuer ? issuer : one;
    const bool is_authority = wanted.for_what == usage::authority;
    add_extension(one, by, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add_extension(one, by, NID_key_usage, is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    add_extension(one, by, NID_subject_key_identifier, "hash");
    if (issuer) add_extension(one, by, NID_authority_key_identifier, "keyid:always");
    if (wanted.for_what == usage::server) add_extension(one, by, NID_ext_key_usage, "serverAuth");
    if (wanted.for_what == usage::client) add_extension(one, by, NID_ext_key_usage, "clientAuth");
    std::string names;
    for (const std::string& dns : wanted.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + dns;
    for (const std::string& ip : wanted.addresses) names += (names.empty() ? "IP:" : ",IP:") + ip;
    if (!names.empty()) add_extension(one, by, NID_subject_alt_name, names);
    must(X509_sign(one, signer, EVP_sha256()) > 0);
    return made;
}

}  // namespace

made self_signed(const wish& wanted) {
    const key_ptr key = make_key(wanted.key, wanted.rsa_bits);
    return {pem_of(make(wanted, key.get(), nullptr, key.get()).get()), pem_of(key.get(), wanted.passphrase)};
}

authority::authority(std::string name, int path_seconds)
    : key_(make_key(key_kind::ec)),
      native_(make({.common_name = std::move(name), .valid_until_s = path_seconds, .for_what = usage::authority},
                   key_.get(), nullptr, key_.get())),
      certificate_(pem_of(native_.get())) {}

authority::authority(const authority& issuer, std::string name)
    : key_(make_key(key_kind::ec)),
      native_(make({.common_name = std::move(name), .for_what = usage::authority}, key_.get(), issuer.native_.get(),
                   issuer.key_.get())),
      certificate_(pem_of(native_.get())) {}

made authority::issue(const wish& wanted) const {
    const key_ptr key = make_key(wanted.key, wanted.rsa_bits);
    return {pem_of(make(wanted, key.get(), native_.get(), key_.get()).get()), pem_of(key.get(), wanted.passphrase)};
}

std::string authority::revoke(const std::vector<std::string>& certificates) const {
    X509_CRL* const list = X509_CRL_new();
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(native_.get()));
    ASN1_TIME* const moment = ASN1_TIME_new();
    X509_gmtime_adj(moment, -60);
    X509_CRL_set1_lastUpdate(list, moment);
    X509_gmtime_adj(moment, 24 * 3600);
    X509_CRL_set1_nextUpdate(list, moment);
    X509_gmtime_adj(moment, -60);
    for (const std::string& pem : certificates) {
        BIO* const memory = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
        X509* const one = PEM_read_bio_X509(memory, nullptr, nullptr, nullptr);
        must(one);
        X509_REVOKED* const entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(one));
        X509_REVOKED_set_revocationDate(entry, moment);
        X509_CRL_add0_revoked(list, entry);
        X509_free(one);
        BIO_free(memory);
    }
    ASN1_TIME_free(moment);
    X509_CRL_sort(list);
    must(X509_CRL_sign(list, key_.get(), EVP_sha256()) > 0);
    BIO* const memory = BIO_new(BIO_s_mem());
    must(PEM_write_bio_X509_CRL(memory, list) == 1);
    X509_CRL_free(list);
    return text_of(memory);
}

std::string lone_key() { return pem_of(make_key(key_kind::ec).get()); }

}  // namespace co_wq::test
