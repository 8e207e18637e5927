import unittest

from sample import CheckTest

ALLOW = "tools/check/systems_allow.txt"


class Systems(CheckTest):
    check = "systems"

    def test_the_doors_may_see_the_system(self):
        text = "#include <sys/epoll.h>\n#ifdef __linux__\nint x = ::close(3);\n#endif\n"
        self.accepts({"src/io/backend/epoll.cpp": text, "src/base/os/stack.cpp": text, "tests/io/raw.cpp": text})

    def test_standard_and_compiler_specific_code_is_no_system_code(self):
        self.accepts({"src/io/a.cpp": "#include <cerrno>\n#include <thread>\n#ifdef __clang__\n#endif\n"
                                      "void f() { file.close(); ns::read(1); this->send(2); }\n// ::close(fd)\n"})

    def test_system_headers_are_refused(self):
        self.refuses({"src/net/a.hpp": "#include <sys/socket.h>\n# include <unistd.h>\n#include <windows.h>\n"
                                       "#include <psapi.h>\n"},
                     "src/net/a.hpp:1: sys/socket.h", "src/net/a.hpp:2: unistd.h", "src/net/a.hpp:3: windows.h",
                     "src/net/a.hpp:4: psapi.h")

    def test_system_calls_are_refused(self):
        self.refuses({"apps/proxy/a.cpp": "void f() {\n    ::close(3);\n    g(::epoll_wait(1, 0, 0, 0));\n}\n"},
                     "apps/proxy/a.cpp:2: close: a system call", "apps/proxy/a.cpp:3: epoll_wait: a system call")

    def test_conditionals_on_the_system_are_refused(self):
        self.refuses({"src/task/a.cpp": "#ifdef __linux__\n#elif defined(_WIN32)\n#endif\n"},
                     "src/task/a.cpp:1: __linux__", "src/task/a.cpp:2: _WIN32")

    def test_an_outside_library_has_one_home(self):
        self.accepts({"src/net/dns/a.cpp": "#include <ares.h>\n", "apps/proxy/a.cpp": "#include <CLI/CLI.hpp>\n"})
        self.refuses({"src/net/a.cpp": "#include <ares.h>\n"}, "src/net/a.cpp:1: ares.h: only src/net/dns/")

    def test_the_allow_list_excuses_with_a_reason(self):
        files = {"src/net/a.cpp": "#include <netinet/in.h>\n"}
        self.accepts(files | {ALLOW: "# why\nsrc/net/a.cpp:netinet/in.h  constants only\n"})
        self.refuses(files | {ALLOW: "src/net/a.cpp:netinet/in.h\n"},
                     f"{ALLOW}:1: src/net/a.cpp:netinet/in.h has no reason")

    def test_the_allow_list_must_not_hold_more_than_needed(self):
        self.refuses({"src/net/a.cpp": "\n", ALLOW: "src/net/a.cpp:unistd.h  gone\n"},
                     f"{ALLOW}:1: src/net/a.cpp:unistd.h is no longer needed")


if __name__ == "__main__":
    unittest.main()
