// What an administrator does with a service of Windows, for windows_test.py: Wine's sc.exe knows a part of it.
//
//   control_service start NAME | control NAME NUMBER | wait NAME STATE | show NAME | command NAME
//   control_service start-and-stop NAME     a stop as soon as the service takes one
//
// Prints what the manager says; ends with 0, or with 1 and the number of the error.
#include <windows.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

int failure(const char* what) {
    std::printf("%s: error %lu\n", what, ::GetLastError());
    return 1;
}

int show(SC_HANDLE service) {
    SERVICE_STATUS_PROCESS now{};
    DWORD size = 0;
    if (!::QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&now), sizeof now, &size))
        return failure("query");
    std::printf("state %lu exit %lu specific %lu hint %lu accepts %lu process %lu\n", now.dwCurrentState,
                now.dwWin32ExitCode, now.dwServiceSpecificExitCode, now.dwWaitHint, now.dwControlsAccepted,
                now.dwProcessId);
    return 0;
}

int show_command(SC_HANDLE service) {
    std::vector<QUERY_SERVICE_CONFIGW> place(100);
    DWORD size = 0;
    const auto bytes = static_cast<DWORD>(place.size() * sizeof place.front());
    if (!::QueryServiceConfigW(service, place.data(), bytes, &size)) return failure("configuration");
    const QUERY_SERVICE_CONFIGW& config = place.front();
    std::printf("start %lu account %ls\n%ls\n", config.dwStartType, config.lpServiceStartName, config.lpBinaryPathName);
    return 0;
}

int wait(SC_HANDLE service, DWORD state) {
    SERVICE_STATUS now{};
    for (int tries = 0; tries < 3000; ++tries) {
        if (!::QueryServiceStatus(service, &now)) return failure("query");
        if (now.dwCurrentState == state) return show(service);
        ::Sleep(10);
    }
    show(service);
    return 1;
}

int start_and_stop(SC_HANDLE service) {
    if (!::StartServiceW(service, 0, nullptr)) return failure("start");
    SERVICE_STATUS now{};
    for (int tries = 0; tries < 3000; ++tries) {
        if (::ControlService(service, SERVICE_CONTROL_STOP, &now)) return wait(service, SERVICE_STOPPED);
        const DWORD why = ::GetLastError();
        if (why != ERROR_SERVICE_CANNOT_ACCEPT_CTRL && why != ERROR_INVALID_SERVICE_CONTROL &&
            why != ERROR_SERVICE_NOT_ACTIVE)
            return failure("stop");
        ::Sleep(1);
    }
    return failure("stop");
}

}  // namespace

int main(int count, char** words) {
    if (count < 3) return 2;
    const std::string what = words[1];
    const SC_HANDLE manager = ::OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT);
    if (!manager) return failure("manager");
    const SC_HANDLE service = ::OpenServiceA(manager, words[2], SERVICE_ALL_ACCESS);
    if (!service) return failure("open");
    const DWORD number = count > 3 ? static_cast<DWORD>(std::strtoul(words[3], nullptr, 10)) : 0;
    SERVICE_STATUS now{};
    if (what == "start") return ::StartServiceW(service, 0, nullptr) ? 0 : failure("start");
    if (what == "control") return ::ControlService(service, number, &now) ? show(service) : failure("control");
    if (what == "wait") return wait(service, number);
    if (what == "show") return show(service);
    if (what == "command") return show_command(service);
    if (what == "start-and-stop") return start_and_stop(service);
    return 2;
}
