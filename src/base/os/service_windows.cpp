#include <windows.h>

#include "base/os/service.hpp"
#include "base/os/windows.hpp"

namespace co_wq::os {

inherited take_inherited() { return {}; }
bool is_handed_over() noexcept { return false; }
void write_byte_and_close(int) noexcept {}
int duplicate(int) noexcept { return -1; }
std::vector<std::string> handover_environment(std::size_t) { return {}; }

bool notify_supervisor(std::string_view) noexcept { return false; }
std::optional<std::chrono::microseconds> watchdog_limit() { return std::nullopt; }
std::string reloading_message() { return {}; }

result<void> become_user(const std::string&, const std::vector<std::string>&) { return fail(errc::not_supported); }

std::string executable_path() {
    std::wstring path(512, L'\0');
    for (;;) {
        const DWORD length = ::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size()));
        if (length == 0) return {};
        if (length < path.size()) return from_wide({path.data(), length});
        if (path.size() > 64 * 1024) return {};
        path.resize(path.size() * 2);  // it was cut
    }
}

}  // namespace co_wq::os
