import unittest

from sample import CheckTest

ALLOW = "tools/check/sizes_allow.txt"


def body(lines: int) -> str:
    return "    work();\n" * lines


class Sizes(CheckTest):
    check = "sizes"

    def test_what_is_within_the_limits_is_accepted(self):
        self.accepts({"src/io/a.cpp": "void f() {\n" + body(68) + "}\n" + "\n" * 529 + "// " + "x" * 117 + "\n",
                      "docs/a.md": "x" * 500 + "\n"})

    def test_a_long_file_is_refused(self):
        self.refuses({"tests/io/a_test.py": "\n" * 601}, "tests/io/a_test.py:1: 601 lines")

    def test_a_long_line_is_refused(self):
        self.refuses({"cmake/a.cmake": "\n# " + "x" * 119 + "\n", "dev": "#" * 121 + "\n"},
                     "cmake/a.cmake:2: 121 columns", "dev:1: 121 columns")

    def test_long_functions_of_every_form_are_refused(self):
        for head, name in (("void f(int a) noexcept", "f"),
                           ("result<int> room::thing::act() const", "room::thing::act"),
                           ("template <class T>\nauto g(T x) -> task<T>", "g"),
                           ("thing::thing(int a) : a_{a}, b_{make(a)}", "thing::thing"),
                           ("thing::~thing()", "thing::~thing"),
                           ("bool operator==(const a& x, const a& y)", "operator=="),
                           ("TEST(suite, name)", "TEST(suite,name)")):
            with self.subTest(head):
                text = f"#include <a>\n\n{head} {{\n    if (x) {{\n" + body(70) + "    }\n}\n"
                self.refuses({"src/io/a.cpp": text}, f"src/io/a.cpp:3: function {name}: ")

    def test_members_are_measured_not_their_class(self):
        self.accepts({"src/io/a.cpp": "namespace n {\nclass c {\n" + "    int f() { return 1; }\n" * 80 + "};\n}\n"})
        self.refuses({"src/io/a.cpp": "class c {\n    void f() {\n" + body(70) + "    }\n};\n"},
                     "src/io/a.cpp:2: function f: 72 lines")

    def test_the_allow_list_can_only_shrink(self):
        files = {"src/io/a.cpp": "void f() {\n" + body(80) + "}\n"}
        self.accepts(files | {ALLOW: "src/io/a.cpp:f 82\n"})
        for listed in (81, 83):  # it grew; it shrank and the list was not told
            self.refuses(files | {ALLOW: f"src/io/a.cpp:f {listed}\n"}, "src/io/a.cpp:1: function f: 82 lines")
        self.refuses({ALLOW: "src/io/a.cpp:f 82\n"}, f"{ALLOW}:1: src/io/a.cpp:f is within the limits now")


if __name__ == "__main__":
    unittest.main()
