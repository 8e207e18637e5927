// What OpenSSL says, in our words.
//
// For:     everybody who reports why a connection was refused.
// Errors:  error::code() is what happened; error::os_code() has OpenSSL's own number: the verification result
//          (X509_V_ERR_...) with the certificate_ errors, else the packed error code (ERR_get_error(3)).
// Threads: any.
//
//   if (!stream) log::warn("{}", net::tls::explain(stream.error()));   // "certificate expired (certificate has
//   expired)"
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

struct ssl_st;

namespace co_wq::net::tls {

// Our word, and OpenSSL's in brackets where it says more.
std::string explain(error what);

// The number of a peer's alert (RFC 8446 section 6); none: it was something else.
std::optional<int> alert_of(error what) noexcept;

namespace detail {

// For a verification result other than X509_V_OK.
error from_verification(long result) noexcept;

// For what a call just left in this thread's error queue, which is empty afterwards; `otherwise` when it was empty or
// says nothing that is in our table. ssl: whose verification result is meant; null: none.
error take_error(errc otherwise, const ssl_st* ssl = nullptr) noexcept;

}  // namespace detail

}  // namespace co_wq::net::tls
