import unittest

from sample import CheckTest


class Lint(CheckTest):
    check = "lint"

    def refuses_code(self, code: str, rule: str, path: str = "src/io/a.cpp"):
        self.refuses({path: code + "\n"}, f"{path}:1: {rule}")

    def test_named_results_are_accepted(self):
        self.accepts({"src/io/a.cpp": "task<void> f() {\n    auto got = co_await g();\n    if (got) co_return;\n"
                                      "    for (auto x : co_await h()) use(x);\n"
                                      "    for (auto y = co_await g(); y < 3; ++y) use(y ? 1 : 2);\n}\n"
                                      '// if (co_await x)\nconst char* s = "while (co_await x)";\n'})

    def test_co_await_in_a_condition_is_refused(self):
        for code in ("if (co_await f()) g();", "while (!co_await f()) {}", "switch (co_await f()) {}",
                     "do {} while (co_await f());", "if constexpr (co_await f()) {}",
                     "if (auto x = co_await f(); x) {}", "for (;co_await f();) {}"):
            with self.subTest(code):
                self.refuses_code(code, "await-condition")

    def test_co_await_with_a_conditional_expression_is_refused(self):
        for code in ("auto x = co_await (c ? a(1) : a(2));", "c ? co_await f() : 0;"):
            with self.subTest(code):
                self.refuses_code(code, "await-ternary")

    def test_a_capturing_lambda_coroutine_is_refused(self):
        for code in ("spawn([&]() -> task<void> { co_await f(); });", "auto x = [this] { co_return; };",
                     "return [a, b = c()](int n) mutable noexcept -> task<int> { co_return n; };",
                     "f([&x]<class T>(T y) { if (y) { co_yield x; } });"):
            with self.subTest(code):
                self.refuses_code(code, "capturing-lambda")

    def test_harmless_lambdas_are_accepted(self):
        self.accepts({"src/io/a.cpp": "auto a = [](int n) -> task<int> { co_return n; };\n"
                                      "auto b = [&] { spawn([](int n) -> task<int> { co_return n; }(x)); };\n"
                                      "auto c = [x](this auto self) -> task<int> { co_return self.x; };\n"
                                      "task<int> f() { array[i] = 1; co_return array[2]; }\n"
                                      "[[nodiscard]] task<int> g() { co_return 1; }\n"
                                      "auto d = [&](auto y) { return y; };\ntask<int> h() { co_return 1; }\n"})

    def test_tests_may_name_a_capturing_lambda_coroutine(self):
        self.accepts({"tests/task/a.cpp": "auto both = [&]() -> task<int> { co_return 1; };\n"
                                          "sync_wait([&]() -> task<void> { co_return; }());\n"})
        self.refuses_code("scope.spawn([&]() -> task<void> { co_return; }());", "capturing-lambda", "tests/task/a.cpp")

    def test_code_switched_off_is_refused(self):
        self.refuses_code("#if 0\n#endif", "if-zero")

    def test_a_todo_needs_an_issue(self):
        self.accepts({"src/io/a.cpp": "// TODO(#12): drop\n// FIXME #3 soon\n"})
        self.refuses_code("// TODO: drop", "todo")
        self.refuses_code("# FIXME later", "todo", "tests/e2e/a.py")

    def test_a_test_must_not_sleep(self):
        self.accepts({"src/io/a.cpp": "std::this_thread::sleep_for(1ms);\n", "tests/io/a.cpp": "// never sleep_for\n"})
        self.refuses_code("std::this_thread::sleep_for(1ms);", "sleep", "tests/io/a.cpp")
        self.refuses_code("::usleep(3);", "sleep", "tests/io/a.cpp")
        self.refuses_code("time.sleep(0.1)", "sleep", "tests/e2e/a.py")
        self.refuses_code("sleep 0.1", "sleep", "tests/e2e/a.sh")

    def test_a_test_must_not_bind_a_constant_port(self):
        self.accepts({"tests/net/a.cpp": 'auto a = parse("127.0.0.1:8080");\nauto l = listen_on("127.0.0.1:0");\n'
                                         "addr.sin_port = htons(0);\n"})
        self.refuses_code("addr.sin_port = htons(8080);", "fixed-port", "tests/net/a.cpp")
        self.refuses_code('auto l = listen_on("127.0.0.1:8080");', "fixed-port", "tests/net/a.cpp")
        self.refuses_code('proxy = start("--port", "18100")', "fixed-port", "tests/e2e/a.py")
        self.refuses_code('server = HTTPServer(("127.0.0.1", 8000), handler)', "fixed-port", "tests/e2e/a.py")

    def test_an_excuse_names_the_rule_and_the_reason(self):
        self.accepts({"tests/io/a.cpp": "// lint-ok(sleep): measures the timer itself\nusleep(3);\n"
                                        "usleep(3);  // lint-ok(sleep): the same\n"})
        self.refuses({"tests/io/a.cpp": "// lint-ok(todo): wrong rule\nusleep(3);\n"}, "tests/io/a.cpp:2: sleep")


if __name__ == "__main__":
    unittest.main()
