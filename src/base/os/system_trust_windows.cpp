// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <wincrypt.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "base/os/system_trust.hpp"

namespace co_wq::os {
namespace {

class store {
public:
    explicit store(const wchar_t* name) noexcept : native_(::CertOpenSystemStoreW(0, name)) {}
    store(const store&) = delete;
    store& operator=(const store&) = delete;
    ~store() {
        if (native_) ::CertCloseStore(native_, 0);
    }
    // The one behind `before`, which is given back; null: there is none.
    PCCERT_CONTEXT next(PCCERT_CONTEXT before) const noexcept {
        return native_ ? ::CertEnumCertificatesInStore(native_, before) : nullptr;
    }
    bool has(PCCERT_CONTEXT one) const noexcept {
        if (!native_) return false;
        constexpr DWORD kinds = X509_ASN_ENCODING | PKCS_7_ASN_ENCODING;
        PCCERT_CONTEXT const found = ::CertFindCertificateInStore(native_, kinds, 0, CERT_FIND_EXISTING, one, nullptr);
        if (found) ::CertFreeCertificateContext(found);
        return found != nullptr;
    }

private:
    HCERTSTORE native_;
};

// Without a list of purposes it is for all of them; an empty list, with CRYPT_E_NOT_FOUND not said, is for none.
bool is_for_servers(PCCERT_CONTEXT one) {
    DWORD bytes = 0;
    if (!::CertGetEnhancedKeyUsage(one, 0, nullptr, &bytes))
        return ::GetLastError() == static_cast<DWORD>(CRYPT_E_NOT_FOUND);
    std::vector<std::max_align_t> memory(bytes / sizeof(std::max_align_t) + 1);
    auto* const usage = reinterpret_cast<CERT_ENHKEY_USAGE*>(memory.data());
    ::SetLastError(ERROR_SUCCESS);
    if (!::CertGetEnhancedKeyUsage(one, 0, usage, &bytes)) return false;
    if (usage->cUsageIdentifier == 0) return ::GetLastError() == static_cast<DWORD>(CRYPT_E_NOT_FOUND);
    for (DWORD i = 0; i < usage->cUsageIdentifier; ++i)
        if (std::strcmp(usage->rgpszUsageIdentifier[i], szOID_PKIX_KP_SERVER_AUTH) == 0) return true;
    return false;
}

}  // namespace

system_trust read_system_trust() {
    system_trust made{.uses_openssl_file = false};
    const store roots(L"ROOT"), distrusted(L"Disallowed");
    PCCERT_CONTEXT one = nullptr;
    while ((one = roots.next(one))) {
        if ((one->dwCertEncodingType & X509_ASN_ENCODING) == 0 || distrusted.has(one) || !is_for_servers(one)) continue;
        made.certificates.emplace_back(reinterpret_cast<const char*>(one->pbCertEncoded), one->cbCertEncoded);
    }
    return made;
}

}  // namespace co_wq::os
