// Signals that come from other processes of Windows: names, rights, and what goes wrong.
#include "io/backend/signal_doors.hpp"

#include "io/backend/native_headers.hpp"
// clang-format off: after it
#include <aclapi.h>
#include <sddl.h>
#include <tlhelp32.h>
// clang-format on
#include "io/reactors.hpp"
#include "io/signal.hpp"
#include "io/signal_waits.hpp"

namespace co_wq::io::test {
namespace {

int own() { return static_cast<int>(::GetCurrentProcessId()); }

std::wstring own_name(int number) { return name_of_door(::GetCurrentProcessId(), own_birth(), number); }

class doors_of_signals : public testing::TestWithParam<backend> {
protected:
    doors_of_signals() : loop(GetParam()) {}
    loop_under_test loop;
};

TEST_P(doors_of_signals, each_signal_comes_once) {
    blocked_signals blocked({signals::hang_up, signals::user_1});
    const signal_set set(*loop, {signals::hang_up, signals::user_1});
    ASSERT_TRUE(knock(own(), signals::hang_up).has_value());
    const result<signal_info> first = loop->run(next_of(set));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->number, signals::hang_up);
    EXPECT_EQ(first->origin, signal_origin::process);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(knock(own(), signals::user_1).has_value());
    for (int i = 0; i < 3; ++i) {
        const result<signal_info> next = loop->run(next_of(set));
        ASSERT_TRUE(next.has_value());
        EXPECT_EQ(next->number, signals::user_1) << i;
    }
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
}

TEST_P(doors_of_signals, what_comes_before_there_is_a_set_is_kept) {
    blocked_signals blocked({signals::window_size});
    ASSERT_TRUE(knock(own(), signals::window_size).has_value());
    const signal_set set(*loop, {signals::window_size});
    EXPECT_EQ(loop->run(next_of(set))->number, signals::window_size);
}

// The second signal is an end, where the first one is a drain: a program that only begins is to hear both.
TEST_P(doors_of_signals, each_comes_also_before_there_is_a_set) {
    blocked_signals blocked({signals::user_2, signals::child});
    blocked.take_pending();
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(knock(own(), signals::user_2).has_value());
    ASSERT_TRUE(knock(own(), signals::child).has_value());
    const signal_set last(*loop, {signals::child});
    ASSERT_EQ(loop->run(next_of(last))->number, signals::child) << "by now, those before it have come";
    const signal_set set(*loop, {signals::user_2});
    auto soon = [](const signal_set& from) -> task<result<signal_info>> {
        auto waiting = next_of(from);
        const result<signal_info> got = co_await with_timeout(std::chrono::seconds(20), std::move(waiting));
        co_return got;
    };
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(loop->run(soon(set)).has_value()) << i;
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
}

TEST_P(doors_of_signals, a_name_that_is_taken_is_not_used) {
    static int next = 40;  // doors stay: one for each case
    const int number = next++;
    const HANDLE squatter = ::CreateSemaphoreW(nullptr, 0, 10, own_name(number).c_str());
    ASSERT_NE(squatter, nullptr);
    blocked_signals blocked({number});
    const signal_set set(*loop, {number});
    ASSERT_TRUE(::ReleaseSemaphore(squatter, 5, nullptr));
    EXPECT_EQ(loop->run(none_of(set)), errc::timed_out);
    for (int i = 0; i < 5; ++i) EXPECT_EQ(::WaitForSingleObject(squatter, 0), WAIT_OBJECT_0) << "taken: " << i;
    EXPECT_EQ(::WaitForSingleObject(squatter, 0), DWORD{WAIT_TIMEOUT});
    ::CloseHandle(squatter);
}

INSTANTIATE_TEST_SUITE_P(kernels, doors_of_signals, every_kernel, name_of_case);

TEST(signal_doors, have_names_that_nobody_knows_beforehand) {
    EXPECT_EQ(name_of_door(12, 3456, 7), L"Global\\co_wq_signal_12_3456_7");
    EXPECT_NE(own_birth(), 0u);
    const result<std::uint64_t> listed = listed_birth(::GetCurrentProcessId());
    ASSERT_TRUE(listed.has_value()) << "of a process that may not be opened";
    EXPECT_EQ(*listed, own_birth());
    EXPECT_EQ(listed_birth(0x7ffffff0).error(), errc::not_found);
}

std::wstring text_of(PSID who) {
    wchar_t* text = nullptr;
    EXPECT_TRUE(::ConvertSidToStringSidW(who, &text));
    std::wstring kept = text ? text : L"";
    ::LocalFree(text);
    return kept;
}

// What the token says, as the text of a SID.
template <class T>
std::wstring of_own_token(TOKEN_INFORMATION_CLASS what, PSID (*who)(const T&)) {
    HANDLE token = nullptr;
    EXPECT_TRUE(::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token));
    alignas(T) std::byte place[sizeof(T) + SECURITY_MAX_SID_SIZE];
    DWORD size = 0;
    EXPECT_TRUE(::GetTokenInformation(token, what, place, sizeof place, &size));
    ::CloseHandle(token);
    return text_of(who(*reinterpret_cast<const T*>(place)));
}

// Of a door of this process.
struct rights_of_door {
    explicit rights_of_door(int number) {
        const HANDLE door = ::OpenSemaphoreW(READ_CONTROL, FALSE, own_name(number).c_str());
        EXPECT_NE(door, nullptr);
        constexpr SECURITY_INFORMATION both = DACL_SECURITY_INFORMATION | LABEL_SECURITY_INFORMATION;
        EXPECT_EQ(::GetSecurityInfo(door, SE_KERNEL_OBJECT, both, nullptr, nullptr, &list, &label, &whole),
                  ERROR_SUCCESS);
        ::CloseHandle(door);
    }
    ~rights_of_door() { ::LocalFree(whole); }
    rights_of_door(const rights_of_door&) = delete;
    rights_of_door& operator=(const rights_of_door&) = delete;

    ACL* list = nullptr;
    ACL* label = nullptr;

private:
    PSECURITY_DESCRIPTOR whole = nullptr;
};

TEST(signal_doors, are_for_the_user_the_system_and_administrators) {
    constexpr int number = 60;
    const blocked_signals blocked({number});
    const rights_of_door rights(number);
    ASSERT_NE(rights.list, nullptr) << "without a list, everybody may";
    std::vector<std::wstring> who;
    for (DWORD i = 0; i < rights.list->AceCount; ++i) {
        void* entry = nullptr;
        ASSERT_TRUE(::GetAce(rights.list, i, &entry));
        auto& allowed = *static_cast<ACCESS_ALLOWED_ACE*>(entry);
        EXPECT_EQ(allowed.Header.AceType, ACCESS_ALLOWED_ACE_TYPE);
        EXPECT_EQ(allowed.Mask, DWORD{SEMAPHORE_MODIFY_STATE} | READ_CONTROL);
        who.push_back(text_of(&allowed.SidStart));
    }
    ASSERT_EQ(who.size(), 3u);
    EXPECT_EQ(who[0], of_own_token<TOKEN_USER>(TokenUser, [](const TOKEN_USER& of) -> PSID { return of.User.Sid; }));
    EXPECT_EQ(who[1], L"S-1-5-18");
    EXPECT_EQ(who[2], L"S-1-5-32-544");
}

// Without a label they would be of the medium level, which the same user's other programs have.
TEST(signal_doors, have_the_level_of_their_process) {
    constexpr int number = 57;
    const blocked_signals blocked({number});
    const rights_of_door rights(number);
    ASSERT_NE(rights.label, nullptr) << "no label";
    ASSERT_EQ(rights.label->AceCount, 1);
    void* entry = nullptr;
    ASSERT_TRUE(::GetAce(rights.label, 0, &entry));
    auto& only = *static_cast<SYSTEM_MANDATORY_LABEL_ACE*>(entry);
    EXPECT_EQ(only.Header.AceType, SYSTEM_MANDATORY_LABEL_ACE_TYPE);
    EXPECT_EQ(only.Mask, DWORD{SYSTEM_MANDATORY_LABEL_NO_WRITE_UP});
    const std::wstring own_level = of_own_token<TOKEN_MANDATORY_LABEL>(
        TokenIntegrityLevel, [](const TOKEN_MANDATORY_LABEL& of) -> PSID { return of.Label.Sid; });
    EXPECT_EQ(text_of(&only.SidStart), own_level == L"S-1-16-16384" ? L"S-1-16-12288" : own_level)
        << "a service's is one that administrators reach";
}

TEST(signal_doors, that_are_not_there_are_told_apart) {
    EXPECT_EQ(knock(0x7ffffff0, signals::hang_up).error(), errc::not_found);
    EXPECT_EQ(knock(own(), 59).error(), errc::not_supported) << "not blocked";
    // any other process: it has no door
    const HANDLE all = ::CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32W one{};
    one.dwSize = sizeof one;
    bool looked = false;
    for (BOOL more = ::Process32FirstW(all, &one); more && !looked; more = ::Process32NextW(all, &one)) {
        if (one.th32ProcessID == 0 || std::wstring_view(one.szExeFile) != L"services.exe") continue;
        looked = true;
        const result<void> told = knock(static_cast<int>(one.th32ProcessID), signals::hang_up);
        ASSERT_FALSE(told.has_value());
        EXPECT_TRUE(told.error() == errc::not_supported || told.error() == errc::permission_denied)
            << told.error().message();
    }
    ::CloseHandle(all);
    EXPECT_TRUE(looked);
}

TEST(signal_doors, hold_a_bounded_number) {
    constexpr int number = 61;
    const std::wstring name = own_name(number);  // nobody takes from it
    const HANDLE door = ::CreateSemaphoreW(nullptr, 0, signal_doors::queue_max, name.c_str());
    ASSERT_NE(door, nullptr);
    for (long i = 0; i < signal_doors::queue_max; ++i) ASSERT_TRUE(knock(own(), number).has_value()) << i;
    EXPECT_EQ(knock(own(), number).error(), errc::limit_exceeded);
    ::CloseHandle(door);
}

}  // namespace
}  // namespace co_wq::io::test
