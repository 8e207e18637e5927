// What base/os does on Windows.
#include "base/os/windows.hpp"

#include <gtest/gtest.h>
#include <windows.h>
#include <winsock2.h>

#include <filesystem>
#include <vector>

#include "base/os/append_file.hpp"
#include "base/os/cores.hpp"
#include "base/os/limits.hpp"
#include "base/os/machine_name.hpp"
#include "base/os/memory.hpp"
#include "base/os/pages.hpp"
#include "base/os/service.hpp"
#include "base/os/stack.hpp"

using namespace co_wq;
using namespace std::chrono_literals;

namespace {

TEST(windows_errors, have_our_words) {
    const std::pair<DWORD, errc> some[] = {
        {ERROR_OPERATION_ABORTED, errc::stopped},
        {WSAECONNRESET, errc::connection_reset},
        {ERROR_NETNAME_DELETED, errc::connection_reset},
        {ERROR_CONNECTION_REFUSED, errc::connection_refused},
        {WSAEADDRINUSE, errc::address_in_use},
        {ERROR_FILE_NOT_FOUND, errc::not_found},
        {ERROR_SHARING_VIOLATION, errc::permission_denied},
        {ERROR_DISK_FULL, errc::no_space},
        {ERROR_BROKEN_PIPE, errc::broken_pipe},
        {ERROR_INVALID_HANDLE, errc::closed},
        {WSAHOST_NOT_FOUND, errc::name_not_found},
        {ERROR_COMMITMENT_LIMIT, errc::out_of_memory},
    };
    for (const auto& [code, ours] : some) {
        EXPECT_EQ(os::from_windows(code), ours) << code;
        EXPECT_EQ(os::from_windows(code).os_code(), static_cast<int>(code));
    }
}

TEST(windows_errors, that_are_unknown_are_named_by_their_number) {
    EXPECT_EQ(os::from_windows(4711).message(), "other (system error 4711)");
    EXPECT_EQ(from_errno(system_code_base + WSAECONNREFUSED), errc::connection_refused);
    EXPECT_EQ(from_errno(system_code_base + 4711).message(), "other (system error 4711)");
    EXPECT_EQ(os::from_windows(0x80090302), errc::other);
}

TEST(windows_text, goes_there_and_back) {
    EXPECT_EQ(os::to_wide(""), L"");
    EXPECT_EQ(os::to_wide("caf\xc3\xa9"), L"caf\u00e9");
    EXPECT_EQ(os::to_wide("\xf0\x9f\x98\x80"), L"\xd83d\xde00");
    for (const char* text : {"", "a", "caf\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"})
        EXPECT_EQ(os::from_wide(*os::to_wide(text)), text);
}

TEST(windows_text, that_is_not_well_formed_is_refused_and_never_cut) {
    for (const std::string_view text :
         {std::string_view("\xff"), std::string_view("a\xc3"), std::string_view("\xc0\xaf"),
          std::string_view("\xed\xa0\x80"), std::string_view("a\0b", 3)})
        EXPECT_EQ(os::to_wide(text), std::nullopt);
    EXPECT_EQ(os::from_wide(std::wstring(1, wchar_t(0xd800))), "\xef\xbf\xbd");
    EXPECT_EQ(os::append_file::open("\xff").error(), errc::invalid_argument);
}

TEST(windows_cores, a_rate_is_rounded_up) {
    EXPECT_EQ(os::cores_of_rate(5'000, 8), 4u);
    EXPECT_EQ(os::cores_of_rate(5'001, 8), 5u);
    EXPECT_EQ(os::cores_of_rate(1, 1), 1u);
    EXPECT_EQ(os::cores_of_rate(9'999, 1'000'000'000), 999'900'000u);
    for (const std::uint32_t none : {0u, 10'000u, 20'000u}) EXPECT_EQ(os::cores_of_rate(none, 8), 0u);
}

TEST(windows_cores, those_it_is_bound_to_count) {
    EXPECT_EQ(os::quota_cores("0::/", "/sys/fs/cgroup"), 0u);
    DWORD_PTR own = 0, all = 0;
    ASSERT_TRUE(::GetProcessAffinityMask(::GetCurrentProcess(), &own, &all));
    EXPECT_GE(os::usable_cores(), 1u);
    EXPECT_LE(os::usable_cores(), ::GetActiveProcessorCount(ALL_PROCESSOR_GROUPS));
    ASSERT_TRUE(::SetProcessAffinityMask(::GetCurrentProcess(), own & (~own + 1)));
    EXPECT_EQ(os::usable_cores(), 1u);
    ASSERT_TRUE(::SetProcessAffinityMask(::GetCurrentProcess(), own));
}

// A job that this process is in from now on.
HANDLE own_job() {
    const HANDLE job = ::CreateJobObjectW(nullptr, nullptr);
    EXPECT_TRUE(job && ::AssignProcessToJobObject(job, ::GetCurrentProcess()));
    return job;
}

TEST(windows_memory, the_limit_of_a_job_counts) {
    const HANDLE job = own_job();
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{}, kept{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_JOB_MEMORY;
    limits.JobMemoryLimit = SIZE_T{1} << 30;
    ASSERT_TRUE(::SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits));
    if (!::QueryInformationJobObject(job, JobObjectExtendedLimitInformation, &kept, sizeof kept, nullptr) ||
        kept.JobMemoryLimit != limits.JobMemoryLimit)
        GTEST_SKIP() << "this system does not keep the limits of jobs";
    EXPECT_LE(os::allowed_memory().value_or(0), limits.JobMemoryLimit);
}

TEST(windows_cores, the_hard_limit_of_a_job_counts) {
    const HANDLE job = own_job();
    JOBOBJECT_CPU_RATE_CONTROL_INFORMATION rate{};
    rate.ControlFlags = JOB_OBJECT_CPU_RATE_CONTROL_ENABLE | JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP;
    rate.CpuRate = 1;
    if (!::SetInformationJobObject(job, JobObjectCpuRateControlInformation, &rate, sizeof rate))
        GTEST_SKIP() << "this system does not limit the CPU time of jobs";
    EXPECT_EQ(os::usable_cores(), 1u);
    rate.CpuRate = 10'000;
    ASSERT_TRUE(::SetInformationJobObject(job, JobObjectCpuRateControlInformation, &rate, sizeof rate));
}

TEST(windows_memory, resident_memory_grows_with_what_is_touched) {
    const os::memory_gauge gauge;
    const std::uint64_t before = gauge.resident_bytes();
    EXPECT_GT(before, 0u);
    std::vector<char> touched(64 << 20);
    for (std::size_t at = 0; at < touched.size(); at += 1024) const_cast<volatile char&>(touched[at]) = 1;
    EXPECT_GT(gauge.resident_bytes(), before + (32 << 20));
    EXPECT_GT(os::allowed_memory().value_or(0), before);
    EXPECT_EQ(os::control_group_memory("0::/\n", "/sys/fs/cgroup"), std::nullopt);
    os::give_back_memory();
}

TEST(windows_memory, pages_that_are_dropped_are_not_resident_and_can_be_used_again) {
    constexpr std::size_t size = 64 << 20, piece = 16 * 1024;
    auto* const pages = static_cast<unsigned char*>(os::take_pages(size));
    ASSERT_NE(pages, nullptr);
    for (std::size_t at = 0; at < size; at += 512) ASSERT_EQ(pages[at], 0u);
    const auto fill = [&] {
        for (std::size_t at = 0; at < size; at += 512) pages[at] = 7;
    };
    const os::memory_gauge gauge;
    fill();
    const std::uint64_t full = gauge.resident_bytes();
    for (std::size_t at = 0; at < size; at += piece) os::drop_pages(pages + at, piece);
    EXPECT_LT(gauge.resident_bytes() + size / 2, full);
    fill();
    EXPECT_EQ(pages[size - 512], 7u);
    EXPECT_GT(gauge.resident_bytes() + size / 2, full);
}

TEST(windows_stack, names_the_program) {
    void* frames[16];
    const std::size_t depth = os::capture_stack(frames, 16);
    ASSERT_GT(depth, 2u);
    EXPECT_EQ(os::capture_stack(frames, 2), 2u);
    testing::internal::CaptureStderr();
    os::print_stack(frames, depth);
    const std::string text = testing::internal::GetCapturedStderr();
    const std::string own = std::filesystem::path(os::executable_path()).filename().string() + "+0x";
    EXPECT_NE(text.find(own), text.npos) << text;
}

TEST(windows_service, hands_nothing_over) {
    EXPECT_TRUE(os::take_inherited().listeners.empty());
    EXPECT_EQ(os::take_inherited().ready, -1);
    EXPECT_FALSE(os::is_handed_over());
    EXPECT_LT(os::duplicate(3), 0);
    EXPECT_TRUE(os::handover_environment(2).empty());
    EXPECT_FALSE(os::notify_supervisor("READY=1"));
    EXPECT_EQ(os::watchdog_limit(), std::nullopt);
    EXPECT_EQ(os::reloading_message(), "");
    EXPECT_EQ(os::become_user("nobody").error(), errc::not_supported);
}

TEST(windows_process, knows_itself) {
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(os::executable_path())));
    EXPECT_FALSE(os::machine_name().empty());
    EXPECT_NE(os::process_salt(), os::process_salt());
    EXPECT_EQ(os::raise_descriptor_limit(), std::uint64_t{1} << 24);
}

// Standard output is a pipe as long as this object is.
class piped_output {
public:
    piped_output() {
        EXPECT_TRUE(::CreatePipe(&reader_, &writer_, nullptr, 4096));
        ::SetStdHandle(STD_OUTPUT_HANDLE, writer_);
    }
    ~piped_output() {
        ::SetStdHandle(STD_OUTPUT_HANDLE, before_);
        close_reader();
        ::CloseHandle(writer_);
    }
    std::size_t read(std::size_t most) {
        std::vector<char> into(most);
        DWORD got = 0;
        EXPECT_TRUE(::ReadFile(reader_, into.data(), static_cast<DWORD>(most), &got, nullptr));
        return got;
    }
    void close_reader() {
        if (reader_) ::CloseHandle(reader_);
        reader_ = nullptr;
    }

private:
    HANDLE before_ = ::GetStdHandle(STD_OUTPUT_HANDLE);
    HANDLE reader_ = nullptr, writer_ = nullptr;
};

TEST(windows_append, a_pipe_that_nobody_reads_keeps_nobody_longer_than_told) {
    piped_output pipe;
    auto out = os::append_file::open("-");
    ASSERT_TRUE(out);
    const std::string piece(1000, 'x');
    std::size_t all = 0;
    for (int tries = 0; tries < 1000; ++tries) {
        const auto put = out->append(piece, 20ms);
        ASSERT_TRUE(put) << put.error().message();
        if (*put == 0) break;
        all += *put;
    }
    EXPECT_GE(all, 4096u - 1000u);
    EXPECT_LT(all, 1'000'000u) << "it never came to its end";
    std::size_t got = 0;
    while (got < all) got += pipe.read(1000);
    EXPECT_EQ(out->append("again", 1000ms), 5u);
    EXPECT_EQ(pipe.read(100), 5u);
}

TEST(windows_append, a_pipe_whose_reader_went_says_so) {
    piped_output pipe;
    auto out = os::append_file::open("-");
    ASSERT_TRUE(out);
    pipe.close_reader();
    EXPECT_EQ(out->append("x", 1000ms).error(), errc::broken_pipe);
}

}  // namespace
