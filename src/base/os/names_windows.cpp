// clang-format off: it must come first
#include <winsock2.h>
// clang-format on
#include <iphlpapi.h>
#include <windows.h>
#include <ws2tcpip.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include "base/os/names.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

constexpr const wchar_t* ipv4_settings = L"SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters";
constexpr const wchar_t* ipv6_settings = L"SYSTEM\\CurrentControlSet\\Services\\Tcpip6\\Parameters";
constexpr const wchar_t* policies = L"SOFTWARE\\Policies\\Microsoft\\Windows NT\\DNSClient";
// What the registry does not tell: an adapter that lost its network.
constexpr std::chrono::seconds look_again = std::chrono::seconds(30);

// A text of the registry; empty: none.
std::wstring text_of(const wchar_t* key, const wchar_t* name) {
    std::vector<wchar_t> text(4096);
    DWORD bytes = static_cast<DWORD>(text.size() * sizeof(wchar_t));
    if (::RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, nullptr, text.data(), &bytes) != ERROR_SUCCESS)
        return {};
    return std::wstring(text.data());
}

void add_once(std::vector<std::wstring>& to, std::wstring one) {
    if (!one.empty() && std::find(to.begin(), to.end(), one) == to.end()) to.push_back(std::move(one));
}

void add_words(std::vector<std::wstring>& to, const std::wstring& text) {
    std::wstring word;
    for (const wchar_t each : text + L",") {
        if (each != L',' && each != L' ' && each != L';') {
            word += each;
        } else {
            add_once(to, std::exchange(word, {}));
        }
    }
}

// In the order of Windows' own rules: a policy's list, the administrator's, else the domains of the machine and of its
// connections.
std::vector<std::wstring> search_list(const IP_ADAPTER_ADDRESSES* adapters) {
    std::vector<std::wstring> list;
    for (const wchar_t* key : {policies, ipv4_settings}) {
        add_words(list, text_of(key, L"SearchList"));
        if (!list.empty()) return list;
    }
    add_once(list, text_of(ipv4_settings, L"Domain"));
    if (list.empty()) add_once(list, text_of(ipv4_settings, L"DhcpDomain"));
    for (auto* one = adapters; one; one = one->Next)
        if (one->OperStatus == IfOperStatusUp && one->DnsSuffix) add_once(list, one->DnsSuffix);
    return list;
}

// Link-local ones need a zone, which resolv.conf's readers do not all know; fec0:0:0:ffff::1 to 3 stand for "none".
bool is_usable(const sockaddr* server) noexcept {
    if (server->sa_family == AF_INET) return true;
    if (server->sa_family != AF_INET6) return false;
    const auto& octets = reinterpret_cast<const sockaddr_in6*>(server)->sin6_addr.u.Byte;
    return !(octets[0] == 0xfe && (octets[1] & 0x80) != 0);
}

std::wstring written(const SOCKET_ADDRESS& server) {
    wchar_t text[INET6_ADDRSTRLEN] = {};
    const sockaddr* const address = server.lpSockaddr;
    const void* octets = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    if (address->sa_family == AF_INET6) octets = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    return ::InetNtopW(address->sa_family, octets, text, std::size(text)) ? std::wstring(text) : std::wstring();
}

// Those of connections that Windows prefers come first.
std::vector<std::wstring> servers_of(const IP_ADAPTER_ADDRESSES* adapters) {
    const auto metric = [](const IP_ADAPTER_ADDRESSES* one) { return std::min(one->Ipv4Metric, one->Ipv6Metric); };
    std::vector<const IP_ADAPTER_ADDRESSES*> up;
    for (auto* one = adapters; one; one = one->Next) {
        if (one->OperStatus != IfOperStatusUp) continue;
        const auto before = [&](auto* a, auto* b) { return metric(a) < metric(b); };
        up.insert(std::upper_bound(up.begin(), up.end(), one, before), one);
    }
    std::vector<std::wstring> list;
    for (const IP_ADAPTER_ADDRESSES* one : up)
        for (auto* each = one->FirstDnsServerAddress; each; each = each->Next)
            if (is_usable(each->Address.lpSockaddr)) add_once(list, written(each->Address));
    return list;
}

// Well-formed for as long as it lives; empty: the system does not say.
class adapter_list {
public:
    adapter_list() {
        constexpr ULONG without =
            GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_FRIENDLY_NAME;
        ULONG bytes = 16 * 1024;
        for (int tries = 0; tries < 5; ++tries) {  // adapters come and go between two calls
            memory_.resize(bytes / sizeof(std::max_align_t) + 1);
            const ULONG status = ::GetAdaptersAddresses(AF_UNSPEC, without, nullptr, first(), &bytes);
            if (status == ERROR_SUCCESS) return;
            if (status != ERROR_BUFFER_OVERFLOW) break;
        }
        memory_.clear();
    }
    IP_ADAPTER_ADDRESSES* first() noexcept {
        return memory_.empty() ? nullptr : reinterpret_cast<IP_ADAPTER_ADDRESSES*>(memory_.data());
    }

private:
    std::vector<std::max_align_t> memory_;
};

// One key of the registry and all under it.
class key_watch {
public:
    explicit key_watch(const wchar_t* path) noexcept {
        if (::RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_NOTIFY, &key_) != ERROR_SUCCESS) key_ = nullptr;
        event_ = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
        listen();
    }
    key_watch(const key_watch&) = delete;
    key_watch& operator=(const key_watch&) = delete;
    ~key_watch() {
        if (key_) ::RegCloseKey(key_);  // signals the event
        if (event_) ::CloseHandle(event_);
    }
    bool changed() noexcept {
        if (!listens_ || ::WaitForSingleObject(event_, 0) != WAIT_OBJECT_0) return false;
        listen();
        return true;
    }

private:
    void listen() noexcept {
        constexpr DWORD what = REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET | REG_NOTIFY_THREAD_AGNOSTIC;
        listens_ = key_ && event_ && ::RegNotifyChangeKeyValue(key_, TRUE, what, event_, TRUE) == ERROR_SUCCESS;
    }

    HKEY key_ = nullptr;
    HANDLE event_ = nullptr;
    bool listens_ = false;
};

class windows_settings final : public name_settings {
public:
    std::string text() override {
        adapter_list adapters;
        std::wstring made;
        for (const std::wstring& one : servers_of(adapters.first())) made += L"nameserver " + one + L"\n";
        std::wstring domains;
        for (const std::wstring& one : search_list(adapters.first())) domains += L" " + one;
        if (!domains.empty()) made += L"search" + domains + L"\n";
        return from_wide(made);
    }
    bool changed() noexcept override {
        bool any = false;
        for (key_watch* one : {&ipv4_, &ipv6_, &policies_}) any = one->changed() || any;
        const auto now = std::chrono::steady_clock::now();
        if (!any && now < due_) return false;
        due_ = now + look_again;
        return true;
    }

private:
    key_watch ipv4_{ipv4_settings}, ipv6_{ipv6_settings}, policies_{policies};
    std::chrono::steady_clock::time_point due_{};
};

}  // namespace

std::string name_configuration() { return "adapters:"; }

std::string hosts_path() {
    std::array<wchar_t, MAX_PATH> folder;
    const UINT size = ::GetSystemDirectoryW(folder.data(), static_cast<UINT>(folder.size()));
    if (size == 0 || size >= folder.size()) return {};
    return from_wide({folder.data(), size}) + "\\drivers\\etc\\hosts";
}

std::unique_ptr<name_settings> name_settings::open() { return std::make_unique<windows_settings>(); }

}  // namespace co_wq::os
