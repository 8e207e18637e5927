#include "probe/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace co_wq::probe {
namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using x509_ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free)>;

constexpr long valid_s = 30L * 24 * 3600;

void must(bool good) {
    if (!good) throw std::runtime_error("no certificate could be made: OpenSSL refuses");
}

bio_ptr memory() {
    bio_ptr made(BIO_new(BIO_s_mem()), &BIO_free);
    must(made != nullptr);
    return made;
}

std::string text_of(const bio_ptr& from) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(from.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

std::string pem_of(X509* one) {
    const bio_ptr into = memory();
    must(PEM_write_bio_X509(into.get(), one) == 1);
    return text_of(into);
}

std::string pem_of(EVP_PKEY* key) {
    const bio_ptr into = memory();
    must(PEM_write_bio_PKCS8PrivateKey(into.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(into);
}

key_ptr make_key() {
    key_ptr made(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"), &EVP_PKEY_free);
    must(made != nullptr);
    return made;
}

void add(X509* to, X509* issuer, int id, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
    must(made != nullptr);
    const int added = X509_add_ext(to, made, -1);
    X509_EXTENSION_free(made);
    must(added == 1);
}

x509_ptr begin(const char* name, EVP_PKEY* own) {
    x509_ptr made(X509_new(), &X509_free);
    must(made != nullptr);
    unsigned char serial[8];
    must(RAND_bytes(serial, sizeof serial) == 1);
    serial[0] &= 0x7f;
    BIGNUM* const number = BN_bin2bn(serial, sizeof serial, nullptr);
    must(number != nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made.get()));
    BN_free(number);
    X509_set_version(made.get(), X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), valid_s);
    must(X509_set_pubkey(made.get(), own) == 1);
    const auto* text = reinterpret_cast<const unsigned char*>(name);
    must(X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1);
    return made;
}

}  // namespace

made_certificates make_certificates(const std::string& host) {
    const key_ptr root_key = make_key(), key = make_key();
    const x509_ptr root = begin("co_probe authority", root_key.get());
    X509_set_issuer_name(root.get(), X509_get_subject_name(root.get()));
    add(root.get(), root.get(), NID_basic_constraints, "critical,CA:TRUE");
    add(root.get(), root.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    add(root.get(), root.get(), NID_subject_key_identifier, "hash");
    must(X509_sign(root.get(), root_key.get(), EVP_sha256()) > 0);

    const x509_ptr leaf = begin("co_probe origin", key.get());
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(root.get()));
    add(leaf.get(), root.get(), NID_basic_constraints, "critical,CA:FALSE");
    add(leaf.get(), root.get(), NID_key_usage, "critical,digitalSignature");
    add(leaf.get(), root.get(), NID_ext_key_usage, "serverAuth");
    add(leaf.get(), root.get(), NID_authority_key_identifier, "keyid:always");
    std::string names = "DNS:localhost,DNS:*.localhost,DNS:*.test,IP:127.0.0.1,IP:::1";
    if (host != "127.0.0.1" && host != "::1") names += ",IP:" + host;
    add(leaf.get(), root.get(), NID_subject_alt_name, names);
    must(X509_sign(leaf.get(), root_key.get(), EVP_sha256()) > 0);
    made_certificates all;
    all.authority = pem_of(root.get());
    all.certificate = pem_of(leaf.get());
    all.key = pem_of(key.get());
    return all;
}

}  // namespace co_wq::probe
