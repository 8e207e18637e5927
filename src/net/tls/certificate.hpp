// certificate: an X.509 certificate as plain values (RFC 5280).
//
// For:      who is at the other end: what a peer has shown, or one of ours.
// Requires: nothing; its signature has been checked by nobody until a handshake did.
// Threads:  a value. Lifetime: its own.
// Errors:   certificate_invalid: it cannot be read.
//
//   if (auto who = stream.peer_certificate()) log::info("{} until {}", who->subject(), who->not_after());
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct x509_st;

namespace co_wq::net::tls {

class certificate {
public:
    // The first of a text.
    static result<certificate> from_pem(std::string_view text);
    static result<certificate> from_der(const_bytes der);
    static result<certificate> from_native(const x509_st* native);

    const_bytes der() const noexcept { return der_; }
    // "CN=example.net,O=Example" (RFC 4514), in UTF-8; control characters are escaped.
    const std::string& subject() const noexcept { return subject_; }
    const std::string& issuer() const noexcept { return issuer_; }
    // The subject's common name in UTF-8. Empty: there is none, there are several, or it has control characters.
    const std::string& common_name() const noexcept { return common_name_; }
    // In hexadecimal digits, upper case.
    const std::string& serial() const noexcept { return serial_; }
    // The alternative names of the subject: DNS names, also with a wildcard, and addresses, both in lower case. A name
    // with a zero byte in it is left out: it is meant to deceive.
    const std::vector<std::string>& dns_names() const noexcept { return dns_names_; }
    const std::vector<std::string>& addresses() const noexcept { return addresses_; }
    std::chrono::sys_seconds not_before() const noexcept { return not_before_; }
    std::chrono::sys_seconds not_after() const noexcept { return not_after_; }
    // SHA-256 of der().
    const std::array<std::byte, 32>& fingerprint() const noexcept { return fingerprint_; }

private:
    std::vector<std::byte> der_;
    std::string subject_, issuer_, common_name_, serial_;
    std::vector<std::string> dns_names_, addresses_;
    std::chrono::sys_seconds not_before_{}, not_after_{};
    std::array<std::byte, 32> fingerprint_{};
};

}  // namespace co_wq::net::tls
