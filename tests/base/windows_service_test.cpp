// Command lines, controls and event sources of services; tests/e2e/windows_test.py runs a whole one.
#include "base/os/windows_service.hpp"

#include <gtest/gtest.h>
// clang-format off: in this order
#include <windows.h>
#include <shellapi.h>
// clang-format on

#include <filesystem>

#include "base/os/event_log.hpp"
#include "base/os/service.hpp"
#include "base/os/windows.hpp"

using namespace co_wq;

namespace {

std::vector<std::wstring> parsed(const std::wstring& line) {
    int count = 0;
    wchar_t** const words = ::CommandLineToArgvW(line.c_str(), &count);
    std::vector<std::wstring> all(words, words + count);
    ::LocalFree(words);
    return all;
}

TEST(windows_service, words_come_back_as_they_were) {
    const std::vector<std::wstring> words = {
        L"plain",       L"C:\\dir\\file.toml",  L"C:\\with blank\\",      L"",          L"\"",          L"\\\"",
        L"a\\\\\"b",    L"\\\\server\\share\\", L"ends in \\\\",          L"*.test",    L"tab\there",   L"%PATH%",
        L"caf\u00e9 x", L"--host=::1",          L"a\"b c\\\"d e\\\\\" f", L"& | < > ^", L"'single' one"};
    std::wstring line = L"program";
    for (const std::wstring& each : words) line += L" " + os::quoted_word(each);
    std::vector<std::wstring> back = parsed(line);
    back.erase(back.begin());
    EXPECT_EQ(back, words);
}

TEST(windows_service, only_what_needs_quotes_gets_them) {
    EXPECT_EQ(os::quoted_word(L"--log-level=info"), L"--log-level=info");
    EXPECT_EQ(os::quoted_word(L"a b"), L"\"a b\"");
    EXPECT_EQ(os::quoted_word(L"C:\\a b\\"), L"\"C:\\a b\\\\\"");
    EXPECT_EQ(os::quoted_word(L"*"), L"\"*\"") << "nobody is to look for files of that name";
}

TEST(windows_service, the_program_of_a_command_line) {
    EXPECT_EQ(os::program_of(L"\"C:\\a b\\c.exe\" --x"), L"C:\\a b\\c.exe");
    EXPECT_EQ(os::program_of(L"C:\\c.exe --x"), L"C:\\c.exe");
    EXPECT_EQ(os::program_of(L"C:\\c.exe"), L"C:\\c.exe");
    EXPECT_EQ(os::program_of(L""), L"");
}

TEST(windows_service, controls_have_our_words) {
    for (const DWORD number : {SERVICE_CONTROL_STOP, SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_PRESHUTDOWN})
        EXPECT_EQ(os::service_control_of(number), os::service_control::stop);
    EXPECT_EQ(os::service_control_of(SERVICE_CONTROL_PARAMCHANGE), os::service_control::reload);
    EXPECT_EQ(os::service_control_of(128), os::service_control::reopen);
    for (const int number : {SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_PAUSE, 129, 0})
        EXPECT_EQ(os::service_control_of(static_cast<DWORD>(number)), std::nullopt);
}

TEST(windows_service, in_a_console_nobody_is_told_anything) {
    EXPECT_FALSE(os::is_service());
    EXPECT_EQ(os::service_name(), "");
    EXPECT_FALSE(os::notify_supervisor("READY=1"));
    EXPECT_FALSE(os::notify_supervisor(os::stopping_message(std::chrono::seconds(10))));
}

TEST(windows_service, how_long_a_stop_may_take_is_said) {
    EXPECT_EQ(os::stopping_message(std::chrono::milliseconds(1500)), "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000");
}

// Goes into a new folder; the destructor goes back and removes it.
class other_folder {
public:
    explicit other_folder(const std::wstring& name)
        : before_(std::filesystem::current_path()),
          path_(std::filesystem::temp_directory_path() / (name + std::to_wstring(::GetCurrentProcessId()))) {
        std::filesystem::create_directory(path_);
        std::filesystem::current_path(path_);
    }
    ~other_folder() {
        std::filesystem::current_path(before_);
        std::filesystem::remove_all(path_);
    }
    const std::filesystem::path& before() const noexcept { return before_; }
    const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path before_, path_;
};

TEST(windows_service, a_folder_comes_back_as_it_was) {
    const other_folder folder(L"co_wq with a blank ");
    const result<std::string> word = os::current_folder();
    ASSERT_TRUE(word.has_value()) << word.error().message();
    std::filesystem::current_path(folder.before());
    ASSERT_TRUE(os::enter_folder(*word).has_value());
    EXPECT_TRUE(std::filesystem::equivalent(std::filesystem::current_path(), folder.path()));
    EXPECT_FALSE(os::enter_folder(*word + "\\nowhere").has_value());
}

TEST(windows_service, a_folder_that_the_code_page_has_no_word_for_is_refused) {
    if (::GetACP() == CP_UTF8) GTEST_SKIP() << "it has words for all";
    // an ideograph, and a wide letter that would be taken for an ordinary one
    for (const wchar_t* const name : {L"co_wq_\u4e2d\u0e01\u05d0", L"co_wq_\uff41"}) {
        const other_folder folder(name);
        const result<std::string> word = os::current_folder();
        ASSERT_FALSE(word.has_value()) << *word;
        EXPECT_EQ(word.error(), errc::invalid_argument);
    }
}

TEST(windows_service, takes_no_libraries_from_its_folder) {
    const other_folder folder(L"co_wq_libraries");
    const result<std::string> word = os::current_folder();
    ASSERT_TRUE(word.has_value()) << word.error().message();
    const std::filesystem::path planted = folder.path() / "co_wq_planted.dll";
    // whatever it is good for, it is a file of that format
    std::filesystem::copy_file(*os::to_wide(os::executable_path()), planted);
    const auto loads = [](const std::wstring& name) {
        const HMODULE library = ::LoadLibraryExW(name.c_str(), nullptr, DONT_RESOLVE_DLL_REFERENCES);
        if (library) ::FreeLibrary(library);
        return library != nullptr;
    };
    EXPECT_TRUE(loads(planted.wstring())) << "it cannot be loaded at all: this test tells nothing";
    ASSERT_TRUE(os::enter_folder(*word).has_value());
    EXPECT_FALSE(loads(planted.filename().wstring()));
    EXPECT_TRUE(loads(L"version.dll")) << "those of the system";
}

TEST(windows_service, words_that_the_manager_would_replace_are_refused) {
    os::service_plan plan;
    plan.name = "co_wq_test_words_" + std::to_string(::GetCurrentProcessId());
    plan.account = "NT AUTHORITY\\LocalService";
    for (const char* const word : {"%SystemRoot%", "a %pAtH% b", "100%SystemRoot%"}) {
        plan.words = {word};
        EXPECT_NE(os::install_service(plan).find("would be replaced"), std::string::npos) << word;
        EXPECT_NE(os::remove_service(plan.name).find("there is no service"), std::string::npos) << word;
    }
    plan.words = {"100%", "%co_wq_no_such_name%", "%41%42"};
    ASSERT_EQ(os::install_service(plan), "");
    EXPECT_EQ(os::remove_service(plan.name), "");
}

TEST(windows_service, that_is_not_there_or_not_ours_is_not_removed) {
    EXPECT_NE(os::remove_service("co_wq_no_such_service").find("there is no service"), std::string::npos);
    EXPECT_NE(os::remove_service("a/b\\c"), "");
    EXPECT_NE(os::remove_service(std::string("a\0b", 3)), "");
    EXPECT_NE(os::remove_service("EventLog").find("another program"), std::string::npos)
        << os::remove_service("EventLog");
}

TEST(windows_events, a_text_has_nothing_that_is_replaced_and_is_of_bounded_length) {
    EXPECT_EQ(os::event_text("fe80::1%1 %20 100% %n %"), "fe80::1% 1 % 20 100% %n %");
    EXPECT_LE(os::event_text(std::string(100'000, 'x')).size(), 31'000u);
    EXPECT_LE(os::event_text(std::string(100'000, '%') + "1").size(), 31'000u);
    std::string wide;
    for (int i = 0; i < 40'000; ++i) wide += "\xc3\xa9";
    EXPECT_TRUE(os::to_wide("x" + os::event_text("x" + wide)).has_value()) << "cut between characters";
}

std::wstring key_of(const std::string& source) {
    return L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" + *os::to_wide(source);
}

std::string own_source(const char* what) {
    return std::string("co_wq_test_") + what + "_" + std::to_string(::GetCurrentProcessId());
}

TEST(windows_events, a_source_is_registered_with_the_messages_of_the_system) {
    const std::string source = own_source("registered");
    ASSERT_TRUE(os::register_event_source(source).has_value());
    wchar_t file[256]{};
    DWORD size = sizeof file, kinds = 0, kinds_size = sizeof kinds;
    EXPECT_EQ(::RegGetValueW(HKEY_LOCAL_MACHINE, key_of(source).c_str(), L"EventMessageFile",
                             RRF_RT_REG_EXPAND_SZ | RRF_NOEXPAND, nullptr, file, &size),
              ERROR_SUCCESS);
    EXPECT_STREQ(file, L"%SystemRoot%\\System32\\EventCreate.exe");
    EXPECT_EQ(::RegGetValueW(HKEY_LOCAL_MACHINE, key_of(source).c_str(), L"TypesSupported", RRF_RT_REG_DWORD, nullptr,
                             &kinds, &kinds_size),
              ERROR_SUCCESS);
    EXPECT_EQ(kinds, 7u);
    EXPECT_TRUE(os::register_event_source(source).has_value()) << "once more";
    result<os::event_log> log = os::event_log::open(source);
    ASSERT_TRUE(log.has_value());
    for (const auto kind : {os::event_log::kind::information, os::event_log::kind::error})
        log->report(kind, "an event\xff of a test");
    EXPECT_TRUE(os::forget_event_source(source).has_value());
    HKEY key = nullptr;
    EXPECT_EQ(::RegOpenKeyExW(HKEY_LOCAL_MACHINE, key_of(source).c_str(), 0, KEY_READ, &key), ERROR_FILE_NOT_FOUND);
    EXPECT_TRUE(os::forget_event_source(source).has_value()) << "once more";
}

// Registered by somebody else.
struct foreign_source {
    explicit foreign_source(const char* what) : name(own_source(what)) {
        EXPECT_EQ(::RegCreateKeyExW(HKEY_LOCAL_MACHINE, key_of(name).c_str(), 0, nullptr, 0, KEY_ALL_ACCESS, nullptr,
                                    &key, nullptr),
                  ERROR_SUCCESS);
    }
    ~foreign_source() {
        ::RegCloseKey(key);
        ::RegDeleteKeyW(HKEY_LOCAL_MACHINE, key_of(name).c_str());
    }
    foreign_source(const foreign_source&) = delete;
    foreign_source& operator=(const foreign_source&) = delete;

    const std::string name;
    HKEY key = nullptr;
};

TEST(windows_events, somebody_elses_source_stays_as_it_is) {
    const foreign_source other("foreign");
    ASSERT_NE(other.key, nullptr);
    ::RegSetValueExW(other.key, L"EventMessageFile", 0, REG_SZ, reinterpret_cast<const BYTE*>(L"x"), 4);
    EXPECT_TRUE(os::register_event_source(other.name).has_value());
    EXPECT_TRUE(os::forget_event_source(other.name).has_value());
    wchar_t file[16]{};
    DWORD size = sizeof file;
    EXPECT_EQ(
        ::RegQueryValueExW(other.key, L"EventMessageFile", nullptr, nullptr, reinterpret_cast<BYTE*>(file), &size),
        ERROR_SUCCESS);
    EXPECT_STREQ(file, L"x");
}

// "eventcreate /SO NAME" names the same file.
TEST(windows_events, a_source_of_eventcreate_is_not_ours) {
    const foreign_source other("eventcreate");
    ASSERT_NE(other.key, nullptr);
    constexpr wchar_t file[] = L"%SystemRoot%\\System32\\EventCreate.exe";
    ::RegSetValueExW(other.key, L"EventMessageFile", 0, REG_EXPAND_SZ, reinterpret_cast<const BYTE*>(file),
                     sizeof file);
    EXPECT_TRUE(os::register_event_source(other.name).has_value()) << "it is there";
    EXPECT_TRUE(os::forget_event_source(other.name).has_value());
    EXPECT_EQ(::RegQueryValueExW(other.key, L"EventMessageFile", nullptr, nullptr, nullptr, nullptr), ERROR_SUCCESS);
}

TEST(windows_events, names_that_are_none_are_refused) {
    EXPECT_EQ(os::register_event_source("").error(), errc::invalid_argument);
    EXPECT_EQ(os::register_event_source("..\\System").error(), errc::invalid_argument);
    EXPECT_EQ(os::forget_event_source("a\\b").error(), errc::invalid_argument);
    EXPECT_EQ(os::event_log::open("").error(), errc::invalid_argument);
    EXPECT_EQ(os::event_log::open("\xff").error(), errc::invalid_argument);
}

}  // namespace
