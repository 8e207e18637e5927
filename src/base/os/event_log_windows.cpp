#include <windows.h>

#include <algorithm>
#include <exception>

#include "base/os/event_log.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {
namespace {

constexpr wchar_t sources[] = L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\";
// its messages 1 to 1,000 are an event's first string, and nothing else
constexpr wchar_t messages[] = L"%SystemRoot%\\System32\\EventCreate.exe";

std::optional<std::wstring> key_of(const std::string& source) {
    if (source.empty() || source.find('\\') != source.npos) return std::nullopt;
    std::optional<std::wstring> name = to_wide(source);
    if (name) name->insert(0, sources);
    return name;
}

// "eventcreate /SO NAME" names the same file, so what is ours has a value that is ours.
constexpr wchar_t mark[] = L"RegisteredBy";
constexpr wchar_t mark_text[] = L"co_wq";

error reason(LSTATUS status) noexcept { return from_windows(static_cast<std::uint32_t>(status)); }

bool is_ours(HKEY key) noexcept {
    wchar_t named[std::size(mark_text) + 1]{};
    DWORD size = sizeof named - sizeof(wchar_t), type = 0;
    return ::RegQueryValueExW(key, mark, nullptr, &type, reinterpret_cast<BYTE*>(named), &size) == ERROR_SUCCESS &&
           type == REG_SZ && std::wstring_view(named) == mark_text;
}

LSTATUS fill(HKEY key) noexcept {
    const LSTATUS signed_by =
        ::RegSetValueExW(key, mark, 0, REG_SZ, reinterpret_cast<const BYTE*>(mark_text), sizeof mark_text);
    if (signed_by != ERROR_SUCCESS) return signed_by;
    const LSTATUS named = ::RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
                                           reinterpret_cast<const BYTE*>(messages), sizeof messages);
    if (named != ERROR_SUCCESS) return named;
    const DWORD kinds = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
    return ::RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, reinterpret_cast<const BYTE*>(&kinds), sizeof kinds);
}

// What is no UTF-8 becomes U+FFFD: peers may have sent it.
std::wstring to_wide_at_any_rate(std::string_view text) {
    const int size = static_cast<int>(text.size());
    std::wstring wide(text.size(), L'\0');
    if (size > 0) wide.resize(std::max(::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, wide.data(), size), 0));
    return wide;
}

}  // namespace

std::string event_text(std::string_view text) {
    constexpr std::size_t units_max = 31'000;  // a unit of UTF-16 comes of at least one byte
    std::string out;
    out.reserve(std::min(text.size(), units_max) + 8);
    for (std::size_t i = 0; i < text.size() && out.size() < units_max; ++i) {
        out += text[i];
        const bool digit = i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9';
        if (text[i] == '%' && digit) out += ' ';
    }
    // no half of a character at the end
    if (out.size() >= units_max) {
        while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
        if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    }
    return out;
}

event_log::~event_log() {
    if (handle_) ::DeregisterEventSource(handle_);
}

result<event_log> event_log::open(const std::string& source) {
    const std::optional<std::wstring> name = to_wide(source);
    if (!name || name->empty()) return fail(errc::invalid_argument);
    event_log made;
    made.handle_ = ::RegisterEventSourceW(nullptr, name->c_str());
    if (!made.handle_) return fail(last_error());
    return made;
}

void event_log::report(kind what, std::string_view text) noexcept {
    if (!handle_) return;
    const WORD type = what == kind::error     ? EVENTLOG_ERROR_TYPE
                      : what == kind::warning ? EVENTLOG_WARNING_TYPE
                                              : EVENTLOG_INFORMATION_TYPE;
    try {
        const std::wstring wide = to_wide_at_any_rate(event_text(text));
        const wchar_t* strings[] = {wide.c_str()};
        (void)::ReportEventW(handle_, type, 0, static_cast<DWORD>(what), nullptr, 1, 0, strings, nullptr);
    } catch (const std::exception&) {  // no memory for it
    }
}

result<void> register_event_source(const std::string& source) {
    const std::optional<std::wstring> name = key_of(source);
    if (!name) return fail(errc::invalid_argument);
    HKEY key = nullptr;
    DWORD found = 0;
    LSTATUS status = ::RegCreateKeyExW(HKEY_LOCAL_MACHINE, name->c_str(), 0, nullptr, 0, KEY_READ | KEY_WRITE, nullptr,
                                       &key, &found);
    if (status != ERROR_SUCCESS) return fail(reason(status));
    const bool made = found == REG_CREATED_NEW_KEY;
    if (made) status = fill(key);
    ::RegCloseKey(key);
    if (made && status != ERROR_SUCCESS) (void)::RegDeleteKeyW(HKEY_LOCAL_MACHINE, name->c_str());
    if (status == ERROR_SUCCESS) return {};
    return fail(reason(status));
}

result<void> forget_event_source(const std::string& source) {
    const std::optional<std::wstring> name = key_of(source);
    if (!name) return fail(errc::invalid_argument);
    HKEY key = nullptr;
    LSTATUS status = ::RegOpenKeyExW(HKEY_LOCAL_MACHINE, name->c_str(), 0, KEY_READ, &key);
    if (status == ERROR_FILE_NOT_FOUND) return {};
    if (status != ERROR_SUCCESS) return fail(reason(status));
    const bool ours = is_ours(key);
    ::RegCloseKey(key);
    if (!ours) return {};
    status = ::RegDeleteKeyW(HKEY_LOCAL_MACHINE, name->c_str());
    if (status == ERROR_SUCCESS || status == ERROR_FILE_NOT_FOUND) return {};
    return fail(reason(status));
}

}  // namespace co_wq::os
