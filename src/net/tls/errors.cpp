#include "net/tls/errors.hpp"

#include <openssl/sslerr.h>

#include "net/tls/detail/openssl.hpp"

namespace co_wq::net::tls {
namespace {

// Reasons of this lib from here on are alerts of the peer (ssl(3), SSL_AD_REASON_OFFSET).
constexpr int alerts_begin = SSL_AD_REASON_OFFSET, alerts_end = alerts_begin + 256;

bool is_about_certificate(errc code) noexcept {
    return code >= errc::certificate_expired && code <= errc::certificate_invalid;
}

errc code_of_reason(int reason) noexcept {
    switch (reason) {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return errc::certificate_missing;
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_WRONG_VERSION_NUMBER: return errc::not_tls;
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_PROTOCOLS_AVAILABLE:
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_UNSUPPORTED_SSL_VERSION:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_VERSION_TOO_HIGH:
        case SSL_R_NO_SUITABLE_KEY_SHARE:
        case SSL_R_NO_SUITABLE_GROUPS:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
        case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
        case SSL_R_NO_SHARED_GROUPS:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_NO_APPLICATION_PROTOCOL: return errc::no_common_protocol;
        case SSL_R_EE_KEY_TOO_SMALL:
        case SSL_R_CA_KEY_TOO_SMALL:
        case SSL_R_CA_MD_TOO_WEAK:
        case SSL_R_DH_KEY_TOO_SMALL: return errc::certificate_weak;
        case ERR_R_MALLOC_FAILURE: return errc::out_of_memory;
        default: return reason >= alerts_begin && reason < alerts_end ? errc::alert_received : errc::bad_message;
    }
}

}  // namespace

std::string explain(error what) {
    std::string text = what.message();
    const char* more = nullptr;
    if (is_about_certificate(what.code()) && what.os_code() > 0 && what.os_code() < 1000) {
        more = X509_verify_cert_error_string(what.os_code());
    } else if (what.os_code() > 1000) {
        more = ERR_reason_error_string(static_cast<unsigned long>(what.os_code()));
    }
    if (more) text += std::string(" (") + more + ")";
    return text;
}

std::optional<int> alert_of(error what) noexcept {
    if (what.code() != errc::alert_received) return std::nullopt;
    return ERR_GET_REASON(static_cast<unsigned long>(what.os_code())) - alerts_begin;
}

namespace detail {

error from_verification(long result) noexcept {
    const auto code = [result] {
        switch (result) {
            case X509_V_ERR_CERT_HAS_EXPIRED: return errc::certificate_expired;
            case X509_V_ERR_CERT_NOT_YET_VALID: return errc::certificate_not_yet_valid;
            case X509_V_ERR_HOSTNAME_MISMATCH:
            case X509_V_ERR_EMAIL_MISMATCH:
            case X509_V_ERR_IP_ADDRESS_MISMATCH: return errc::certificate_wrong_host;
            case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return errc::certificate_self_signed;
            case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
            case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            case X509_V_ERR_CERT_CHAIN_TOO_LONG:
            case X509_V_ERR_CERT_UNTRUSTED:
            case X509_V_ERR_CERT_REJECTED: return errc::certificate_untrusted;
            case X509_V_ERR_INVALID_CA:
            case X509_V_ERR_INVALID_NON_CA:
            case X509_V_ERR_PATH_LENGTH_EXCEEDED:
            case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
            case X509_V_ERR_INVALID_PURPOSE: return errc::certificate_wrong_purpose;
            case X509_V_ERR_CERT_REVOKED: return errc::certificate_revoked;
            case X509_V_ERR_EE_KEY_TOO_SMALL:
            case X509_V_ERR_CA_KEY_TOO_SMALL:
            case X509_V_ERR_CA_MD_TOO_WEAK: return errc::certificate_weak;
            case X509_V_ERR_OUT_OF_MEM: return errc::out_of_memory;
            default: return errc::certificate_invalid;
        }
    }();
    return error(code, static_cast<int>(result));
}

error take_error(errc otherwise, const ssl_st* ssl) noexcept {
    // the first is the cause; what other libraries of OpenSSL add before the protocol's own says less than that
    unsigned long cause = 0;
    while (const unsigned long next = ERR_get_error())
        if (cause == 0 || (ERR_GET_LIB(cause) != ERR_LIB_SSL && ERR_GET_LIB(next) == ERR_LIB_SSL)) cause = next;
    if (cause == 0) return error(otherwise);
    const int reason = ERR_GET_REASON(cause);
    if (ERR_GET_LIB(cause) != ERR_LIB_SSL) {
        const bool memory = reason == ERR_R_MALLOC_FAILURE;
        return error(memory ? errc::out_of_memory : otherwise, static_cast<int>(cause & 0x7fffffff));
    }
    if (ssl && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return from_verification(SSL_get_verify_result(ssl));
    return error(code_of_reason(reason), static_cast<int>(cause & 0x7fffffff));
}

}  // namespace detail

}  // namespace co_wq::net::tls
