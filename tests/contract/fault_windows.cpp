// A process of its own is this program once more, told by its environment to play one cell.
#include <windows.h>

#undef near
#undef far

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "base/fault.hpp"
#include "driver.hpp"
#include "rows.hpp"

namespace co_wq::contract {
namespace {

constexpr const char* variable = "CO_WQ_CONTRACT_CELL";  // "KIND SEED CELL NAME"
constexpr int fault_status = 3;

#define CO_WQ_VARIANTS(id, what, where) row<awaiter::id>.variants,
constexpr std::vector<variant> (*all_rows[])(){CO_WQ_EACH_AWAITER(CO_WQ_VARIANTS)};
#undef CO_WQ_VARIANTS

// What the child writes, until it is gone.
std::string output_of(const wchar_t* program, std::wstring arguments, DWORD& status) {
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
    HANDLE out = nullptr, in = nullptr;
    if (!::CreatePipe(&out, &in, &inherited, 0)) return "no pipe";
    ::SetHandleInformation(out, HANDLE_FLAG_INHERIT, 0);
    STARTUPINFOW how{};
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdOutput = in;
    PROCESS_INFORMATION child{};
    const BOOL began = ::CreateProcessW(program, arguments.data(), nullptr, nullptr, TRUE, CREATE_NO_WINDOW, nullptr,
                                        nullptr, &how, &child);
    ::CloseHandle(in);
    std::string text;
    char buffer[256];
    for (DWORD got = 0; began && ::ReadFile(out, buffer, sizeof buffer, &got, nullptr) && got > 0;)
        text.append(buffer, got);
    ::CloseHandle(out);
    if (!began) return "no child";
    ::WaitForSingleObject(child.hProcess, INFINITE);
    ::GetExitCodeProcess(child.hProcess, &status);
    ::CloseHandle(child.hThread);
    ::CloseHandle(child.hProcess);
    return text;
}

}  // namespace

std::string fault_of(const variant& what, const io::test::backend& on, cell at) {
    wchar_t program[1024];
    if (const DWORD length = ::GetModuleFileNameW(nullptr, program, 1024); length == 0 || length == 1024)
        return "no name of the own program";
    std::ostringstream told;
    told << static_cast<int>(on.kind) << ' ' << on.seed << ' ' << static_cast<int>(at) << ' ' << what.name;
    if (!::SetEnvironmentVariableA(variable, told.str().c_str())) return "no environment";
    DWORD status = 0;
    const std::string text =
        output_of(program, L"contract_tests --gtest_also_run_disabled_tests --gtest_filter=contract_cell.*", status);
    ::SetEnvironmentVariableA(variable, nullptr);
    const std::size_t begin = text.find("fault: ");
    if (status != fault_status || begin == std::string::npos)
        return "no fault, but status " + std::to_string(status) + ", " + text;
    return text.substr(begin);
}

// Disabled: by itself it has no cell to play.
TEST(contract_cell, DISABLED_is_played_alone) {
    const char* const told = std::getenv(variable);
    ASSERT_TRUE(told) << variable << " says which";
    std::istringstream from(told);
    int kind = 0, at = 0;
    std::uint64_t seed = 0;
    std::string name;
    from >> kind >> seed >> at;
    ASSERT_TRUE(std::getline(from >> std::ws, name));
    set_fault_hook([](const fault_report& report) noexcept {
        std::printf("fault: %s\n", report.message);
        std::fflush(stdout);
        ::TerminateProcess(::GetCurrentProcess(), fault_status);
    });
    for (const auto variants : all_rows) {
        if (!variants) continue;
        for (const variant& one : variants())
            if (one.name == name) (void)play(one, {static_cast<io::reactor_kind>(kind), seed}, static_cast<cell>(at));
    }
    std::printf("nothing faulted\n");
}

}  // namespace co_wq::contract
