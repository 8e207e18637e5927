// clang-format off: it must come first
#include <windows.h>
// clang-format on
#include <tlhelp32.h>

#include <algorithm>
#include <cstddef>
#include <cwctype>
#include <memory>
#include <type_traits>

#include "base/os/event_log.hpp"
#include "base/os/service.hpp"
#include "base/os/windows.hpp"
#include "base/os/windows_service.hpp"

namespace co_wq::os {
namespace {

using namespace std::chrono_literals;

struct service_closer {
    using pointer = SC_HANDLE;
    void operator()(SC_HANDLE handle) const noexcept { ::CloseServiceHandle(handle); }
};
using service_handle = std::unique_ptr<std::remove_pointer_t<SC_HANDLE>, service_closer>;

std::string explain(DWORD code, const std::string& name, const std::string& account) {
    switch (code) {
        case ERROR_ACCESS_DENIED: return "that is for administrators: start it from an elevated prompt";
        case ERROR_SERVICE_EXISTS: return "there is a service \"" + name + "\" already: remove it first";
        case ERROR_DUPLICATE_SERVICE_NAME: return "another service is shown as \"" + name + "\": choose another name";
        case ERROR_SERVICE_DOES_NOT_EXIST: return "there is no service \"" + name + "\"";
        case ERROR_SERVICE_MARKED_FOR_DELETE:
            return "service \"" + name +
                   "\" is about to be removed: it goes once it has stopped and nobody looks at it "
                   "any more (close services.msc and the Task Manager)";
        case ERROR_INVALID_NAME: return "\"" + name + "\" cannot be a service's name";
        case ERROR_INVALID_SERVICE_ACCOUNT:
        case ERROR_NONE_MAPPED: return "there is no account \"" + account + "\"";
        default: return "service \"" + name + "\": " + from_windows(code).message();
    }
}

// As the run-time library made main's words, back.
std::optional<std::wstring> widen_word(const std::string& word) {
    if (word.empty()) return std::wstring();
    const int size = static_cast<int>(word.size());
    std::wstring wide(word.size(), L'\0');
    const int made = ::MultiByteToWideChar(CP_ACP, MB_ERR_INVALID_CHARS, word.data(), size, wide.data(), size);
    if (made <= 0) return std::nullopt;
    wide.resize(static_cast<std::size_t>(made));
    return wide;
}

std::optional<std::wstring> command_line(const std::vector<std::string>& words) {
    const std::optional<std::wstring> program = to_wide(executable_path());
    if (!program || program->empty()) return std::nullopt;
    std::wstring line = L"\"" + *program + L"\"";  // always in quotes: a blank in a path would make another program
    for (const std::string& each : words) {
        const std::optional<std::wstring> word = widen_word(each);
        if (!word) return std::nullopt;
        line += L' ';
        line += quoted_word(*word);
    }
    return line;
}

// The manager keeps command lines as texts in which names of the environment are replaced, each time it starts one.
bool stays_as_it_is(const std::wstring& line) {
    std::wstring made(::ExpandEnvironmentStringsW(line.c_str(), nullptr, 0), L'\0');  // with the zero at its end
    const auto size = static_cast<DWORD>(made.size());
    return size > 0 && ::ExpandEnvironmentStringsW(line.c_str(), made.data(), size) == size && made.c_str() == line;
}

// Some of the settings came with later systems.
bool set(SC_HANDLE service, DWORD what, void* to) noexcept {
    return ::ChangeServiceConfig2W(service, what, to) || ::GetLastError() == ERROR_INVALID_LEVEL;
}

bool configure(SC_HANDLE service, const service_plan& plan) {
    std::optional<std::wstring> text = to_wide(plan.description);
    if (!text) text.emplace();
    SERVICE_DESCRIPTIONW description{text->data()};
    SC_ACTION again[] = {{SC_ACTION_RESTART, 1'000}, {SC_ACTION_RESTART, 10'000}, {SC_ACTION_RESTART, 60'000}};
    SERVICE_FAILURE_ACTIONSW failures{};
    failures.dwResetPeriod = 24 * 60 * 60;  // seconds
    failures.cActions = static_cast<DWORD>(std::size(again));
    failures.lpsaActions = again;
    SERVICE_FAILURE_ACTIONS_FLAG also_without_a_crash{TRUE};
    SERVICE_SID_INFO sid{SERVICE_SID_TYPE_UNRESTRICTED};  // so that rights to files can be given to it alone
    SERVICE_PRESHUTDOWN_INFO shutdown{};
    shutdown.dwPreshutdownTimeout = static_cast<DWORD>(std::clamp<std::int64_t>(plan.stop_time.count(), 0, 0x7fffffff));
    return set(service, SERVICE_CONFIG_DESCRIPTION, &description) &&
           set(service, SERVICE_CONFIG_FAILURE_ACTIONS, &failures) &&
           set(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, &also_without_a_crash) &&
           set(service, SERVICE_CONFIG_SERVICE_SID_INFO, &sid) &&
           set(service, SERVICE_CONFIG_PRESHUTDOWN_INFO, &shutdown);
}

std::wstring file_name_of(std::wstring_view path) {
    std::wstring name(path.substr(path.find_last_of(L"\\/") + 1));
    std::ranges::transform(name, name.begin(), [](wchar_t each) { return static_cast<wchar_t>(std::towlower(each)); });
    return name;
}

std::wstring own_file_name() { return file_name_of(to_wide(executable_path()).value_or(L"")); }

// Nobody is to lose another service by a wrong name.
bool runs_this_program(SC_HANDLE service) {
    DWORD size = 0;
    (void)::QueryServiceConfigW(service, nullptr, 0, &size);
    std::vector<std::max_align_t> place(size / sizeof(std::max_align_t) + 1);
    auto* const config = reinterpret_cast<QUERY_SERVICE_CONFIGW*>(place.data());
    if (size == 0 || !::QueryServiceConfigW(service, config, size, &size) || !config->lpBinaryPathName) return false;
    return file_name_of(program_of(config->lpBinaryPathName)) == own_file_name();
}

}  // namespace

std::wstring quoted_word(std::wstring_view word) {
    constexpr std::wstring_view plain = L"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:;/\\@~";
    if (!word.empty() && word.find_first_not_of(plain) == word.npos) return std::wstring(word);
    std::wstring out = L"\"";
    std::size_t backslashes = 0;
    for (const wchar_t each : word) {
        if (each == L'\\') {
            ++backslashes;
            continue;
        }
        // before a quote, backslashes are read in pairs
        out.append(each == L'"' ? 2 * backslashes + 1 : backslashes, L'\\');
        backslashes = 0;
        out += each;
    }
    out.append(2 * backslashes, L'\\');
    return out + L'"';
}

std::wstring program_of(std::wstring_view command_line) {
    const bool quoted = command_line.starts_with(L'"');
    if (quoted) command_line.remove_prefix(1);
    return std::wstring(command_line.substr(0, command_line.find_first_of(quoted ? L"\"" : L" \t")));
}

std::string install_service(const service_plan& plan) {
    const std::optional<std::wstring> name = to_wide(plan.name), account = to_wide(plan.account);
    const std::optional<std::wstring> command = command_line(plan.words);
    if (!name || !account || !command) return "not all of the words are ones that the system can write down";
    if (!stays_as_it_is(*command))
        return "%NAME% would be replaced whenever the service starts: neither its options nor the names of its folder "
               "and program can have it (a config file can)";
    const auto wrong = [&] { return explain(::GetLastError(), plan.name, plan.account); };
    const service_handle manager(::OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE));
    if (!manager) return wrong();
    // to have it started again takes the right to start it
    constexpr DWORD access = SERVICE_CHANGE_CONFIG | SERVICE_START | DELETE;
    const service_handle service(::CreateServiceW(manager.get(), name->c_str(), name->c_str(), access,
                                                  SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
                                                  command->c_str(), nullptr, nullptr, nullptr, account->c_str(), L""));
    if (!service) return wrong();
    if (!configure(service.get(), plan)) {
        std::string why = wrong();
        (void)::DeleteService(service.get());
        return why;
    }
    if (const result<void> known = register_event_source(plan.name); !known) {
        (void)::DeleteService(service.get());
        return "event source \"" + plan.name + "\": " + known.error().message();
    }
    return {};
}

std::string remove_service(const std::string& name) {
    const std::optional<std::wstring> wide = to_wide(name);
    if (!wide) return explain(ERROR_INVALID_NAME, name, "");
    const service_handle manager(::OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT));
    if (!manager) return explain(::GetLastError(), name, "");
    const service_handle service(
        ::OpenServiceW(manager.get(), wide->c_str(), SERVICE_QUERY_CONFIG | SERVICE_QUERY_STATUS | DELETE));
    if (!service) return explain(::GetLastError(), name, "");
    if (!runs_this_program(service.get())) return "service \"" + name + "\" is another program";
    SERVICE_STATUS status{};
    if (!::QueryServiceStatus(service.get(), &status)) return explain(::GetLastError(), name, "");
    if (status.dwCurrentState != SERVICE_STOPPED)
        return "service \"" + name + "\" runs: stop it first (sc.exe stop " + name + ")";
    if (!::DeleteService(service.get())) return explain(::GetLastError(), name, "");
    if (const result<void> gone = forget_event_source(name); !gone)
        return "the service is removed, its event source is not: " + gone.error().message();
    return {};
}

result<std::string> current_folder() {
    std::wstring folder(512, L'\0');
    for (;;) {
        const DWORD length = ::GetCurrentDirectoryW(static_cast<DWORD>(folder.size()), folder.data());
        if (length == 0) return fail(last_error());
        const bool whole = length < folder.size();
        folder.resize(length);
        if (whole) break;
    }
    const int size = static_cast<int>(folder.size());
    std::string word(4 * folder.size(), '\0');  // no code page has longer ones
    const int room = static_cast<int>(word.size());
    const int made = ::WideCharToMultiByte(CP_ACP, 0, folder.data(), size, word.data(), room, nullptr, nullptr);
    if (made <= 0) return fail(last_error());
    word.resize(static_cast<std::size_t>(made));
    // what the code page lacks has become something else that looks like it
    if (widen_word(word) != folder) return fail(errc::invalid_argument);
    return word;
}

result<void> enter_folder(const std::string& folder) {
    const std::optional<std::wstring> wide = widen_word(folder);
    if (!wide) return fail(errc::invalid_argument);
    // "" takes the current folder out of the search order where LOAD_LIBRARY_SEARCH_SYSTEM32 does not hold
    if (!::SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32) || !::SetDllDirectoryW(L""))
        return fail(last_error());
    if (!::SetCurrentDirectoryW(wide->c_str())) return fail(last_error());
    return {};
}

int own_process() noexcept { return static_cast<int>(::GetCurrentProcessId()); }

std::vector<int> processes_of_this_name() {
    std::vector<int> found;
    const HANDLE all = ::CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (all == INVALID_HANDLE_VALUE) return found;
    const std::wstring own = own_file_name();
    PROCESSENTRY32W one{};
    one.dwSize = sizeof one;
    for (BOOL more = ::Process32FirstW(all, &one); more; more = ::Process32NextW(all, &one))
        if (one.th32ProcessID != ::GetCurrentProcessId() && file_name_of(one.szExeFile) == own)
            found.push_back(static_cast<int>(one.th32ProcessID));
    ::CloseHandle(all);
    return found;
}

}  // namespace co_wq::os
