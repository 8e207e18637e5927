#include "net/tls/certificate.hpp"

#include <algorithm>
#include <ctime>

#include "io/socket_address.hpp"
#include "net/tls/detail/openssl.hpp"
#include "net/tls/errors.hpp"

namespace co_wq::net::tls {
namespace {

using general_names = std::unique_ptr<GENERAL_NAMES, detail::freed_by<GENERAL_NAMES_free>>;

std::string text_of(const X509_NAME* name) {
    const detail::bio_ptr memory(BIO_new(BIO_s_mem()));
    // RFC 2253 escapes what is special, and control characters; UTF-8 stays as it is
    constexpr unsigned long style = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
    if (!memory || X509_NAME_print_ex(memory.get(), name, 0, style) < 0) return {};
    return detail::text_in(memory.get());
}

std::string text_of(const ASN1_INTEGER* number) {
    const std::unique_ptr<BIGNUM, detail::freed_by<BN_free>> value(ASN1_INTEGER_to_BN(number, nullptr));
    if (!value) return {};
    char* const digits = BN_bn2hex(value.get());
    std::string text = digits ? digits : "";
    OPENSSL_free(digits);
    return text;
}

std::chrono::sys_seconds moment_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    const std::chrono::year_month_day day(std::chrono::year(parts.tm_year + 1900),
                                          std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                          std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
    return std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
           std::chrono::seconds(parts.tm_sec);
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

std::string_view view_of(const ASN1_STRING* text) noexcept {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string common_name_of(X509_NAME* name) {
    const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0) return {};
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) return {};
    std::string made(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    return std::any_of(made.begin(), made.end(), control) ? std::string() : made;
}

std::string address_text(std::string_view raw) {
    const auto at = [raw](std::size_t i) { return static_cast<std::uint8_t>(raw[i]); };
    if (raw.size() == 4) {
        return std::to_string(at(0)) + '.' + std::to_string(at(1)) + '.' + std::to_string(at(2)) + '.' +
               std::to_string(at(3));
    }
    if (raw.size() != 16) return {};
    std::string groups;
    for (std::size_t i = 0; i < 16; i += 2) {
        char group[6];
        std::snprintf(group, sizeof group, "%s%x", i ? ":" : "", at(i) << 8 | at(i + 1));
        groups += group;
    }
    // in the one spelling that addresses have everywhere here
    const result<io::socket_address> parsed = io::socket_address::parse(groups, 0);
    if (!parsed) return groups;
    const std::string with_port = parsed->text();
    return with_port.substr(1, with_port.rfind(']') - 1);
}

void read_names(const X509* native, std::vector<std::string>& dns_names, std::vector<std::string>& addresses) {
    const general_names names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(native, NID_subject_alt_name, nullptr, nullptr)));
    if (!names) return;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        int type = 0;
        const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
        if (type != GEN_DNS && type != GEN_IPADD) continue;
        const std::string_view raw = view_of(static_cast<const ASN1_STRING*>(value));
        if (type == GEN_DNS && raw.find('\0') == raw.npos && !raw.empty()) dns_names.push_back(lower(raw));
        if (type != GEN_IPADD) continue;
        if (std::string text = address_text(raw); !text.empty()) addresses.push_back(std::move(text));
    }
}

result<certificate> read(const detail::x509_ptr& native) {
    if (!native) return fail(detail::take_error(errc::certificate_invalid));
    return certificate::from_native(native.get());
}

}  // namespace

result<certificate> certificate::from_pem(std::string_view text) {
    ERR_clear_error();
    const detail::bio_ptr memory = detail::reader_of(text);
    return read(detail::x509_ptr(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr)));
}

result<certificate> certificate::from_der(const_bytes der) {
    ERR_clear_error();
    auto* at = reinterpret_cast<const unsigned char*>(der.data());
    return read(detail::x509_ptr(d2i_X509(nullptr, &at, static_cast<long>(der.size()))));
}

result<certificate> certificate::from_native(const x509_st* native) {
    certificate made;
    unsigned char* der = nullptr;
    const int size = i2d_X509(native, &der);
    if (size <= 0) return fail(detail::take_error(errc::certificate_invalid));
    made.der_.assign(reinterpret_cast<std::byte*>(der), reinterpret_cast<std::byte*>(der) + size);
    OPENSSL_free(der);
    made.subject_ = text_of(X509_get_subject_name(native));
    made.common_name_ = common_name_of(X509_get_subject_name(native));
    made.issuer_ = text_of(X509_get_issuer_name(native));
    made.serial_ = text_of(X509_get0_serialNumber(native));
    made.not_before_ = moment_of(X509_get0_notBefore(native));
    made.not_after_ = moment_of(X509_get0_notAfter(native));
    read_names(native, made.dns_names_, made.addresses_);
    unsigned written = 0;
    if (EVP_Digest(made.der_.data(), made.der_.size(), reinterpret_cast<unsigned char*>(made.fingerprint_.data()),
                   &written, EVP_sha256(), nullptr) != 1)
        return fail(detail::take_error(errc::certificate_invalid));
    ERR_clear_error();
    return made;
}

}  // namespace co_wq::net::tls
