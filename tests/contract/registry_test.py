#!/usr/bin/env python3
"""What registry.py finds, what it refuses, and that an awaiter without a row does not compile.

    registry_test.py                                        the collector alone
    registry_test.py --compile COMPILER ROOT [FLAG...]      an awaiter more, against the rows
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import registry  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
FAKE = """
namespace co_wq::io::detail {
class fake_awaiter final : public io_awaiter {
public:
    result<void> await_resume() noexcept;
private:
    static constexpr awaiter_ops ops{"fake", nullptr, nullptr, nullptr, &describe};
};
}
"""


def names(text: str) -> list[str]:
    return [name for name, _, _ in registry.awaiters_in("src/x.hpp", text)]


class Finds(unittest.TestCase):
    def test_an_awaiter_by_its_ops(self):
        self.assertEqual(registry.awaiters_in("src/x.hpp", FAKE), [("io_fake_awaiter", "fake", 7)])

    def test_an_awaiter_by_its_await_suspend(self):
        self.assertEqual(names("namespace co_wq { struct one { bool await_suspend(int h); }; }"), ["one"])
        self.assertEqual(names("namespace co_wq { template <class T, class = list<T>> requires(x<T>) class two "
                               "final : public base<T> { void await_suspend(int) {} }; }"), ["two"])

    def test_a_nested_class_and_one_defined_outside_of_its_own(self):
        self.assertEqual(names("namespace a { class b { struct c { void await_suspend(int); }; }; }"), ["a_b_c"])
        self.assertEqual(names("class b::c : public d { void await_suspend(int); };"), ["b_c"])

    def test_one_after_code_with_braces_strings_and_comments(self):
        self.assertEqual(names('// }\nint f() { return g("}{", \'}\', 1\'000); } /* { */\nstruct one { void f() { '
                               'if (a) { b(); } }\n static constexpr awaiter_ops ops{"x"}; };'), ["one"])

    def test_two_texts_over_two_lines(self):
        text = 'struct a {\n static constexpr awaiter_ops\n ops{\n"t"};\n};'
        self.assertEqual(registry.awaiters_in("src/x.hpp", text), [("a", "t", 2)])

    def test_nothing_where_ops_are_only_passed_on_or_the_call_is_another_ones(self):
        self.assertEqual(names("struct awaiter_ops { int x; };"), [])
        self.assertEqual(names("struct a { a(const awaiter_ops& ops); const awaiter_ops* kept; };"), [])
        self.assertEqual(names("struct a { void f() { inner_.await_suspend(h); other->await_suspend(h); } };"), [])
        self.assertEqual(names("// awaiter_ops ops{}; await_suspend()\n"), [])

    def test_all_of_this_library(self):
        found = registry.collect(HERE.parent.parent, [])
        self.assertGreaterEqual(len(found), 42)
        for name in ("io_recv_awaiter", "counting_scope_join_awaiter", "net_dns_awaited_lookup", "yield_awaiter"):
            self.assertIn(name, found)
        declared = sum(path.read_text(encoding="utf-8").count("static constexpr awaiter_ops")
                       for path in (HERE.parent.parent / "src").rglob("*.hpp"))
        self.assertEqual(sum(1 for what, _ in found.values() if what), declared)


class Refuses(unittest.TestCase):
    def refuses(self, text: str, why: str):
        with self.assertRaisesRegex(registry.Unclear, why):
            names(text)

    def test_ops_it_cannot_read(self):
        self.refuses("struct a { static const awaiter_ops ops; };", "x.hpp:1: awaiter_ops that is not declared")
        self.refuses("struct a { static constexpr awaiter_ops ops = make_ops(); };", "not declared")
        self.refuses("struct a { static constexpr awaiter_ops ops{name_text}; };", "not declared")
        self.refuses("inline constexpr awaiter_ops ops{\"x\"};", "not declared")

    def test_an_awaiter_outside_of_a_class(self):
        self.refuses("static constexpr awaiter_ops ops{\"x\"};", "class cannot be told")
        self.refuses("void f() { struct a { void await_suspend(int); }; }", "class cannot be told")
        self.refuses("#define AWAITS(T) void await_suspend(T)\n", "class cannot be told")
        self.refuses("bool a::await_suspend(int h) { return h; }", "class cannot be told")

    def test_braces_that_do_not_match(self):
        self.refuses("} struct a { void await_suspend(int); };", "more braces close")

    def test_two_awaiters_of_one_name(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("a", "b"):
                (root / "src").mkdir(exist_ok=True)
                (root / "src" / f"{name}.hpp").write_text("struct one { void await_suspend(int); };")
            with self.assertRaisesRegex(registry.Unclear, "two awaiters need two names"):
                registry.collect(root, [])


class Compiles:
    """The rows against a registry made of the sources and one file more."""

    def __init__(self, compiler: str, root: pathlib.Path, flags: list[str]):
        self.command = [compiler, "-std=c++23", "-fsyntax-only", *flags, f"-I{root / 'src'}", f"-I{HERE.parent}"]
        self.root = root

    def run(self, extra: str | None, row: str = "") -> tuple[bool, str]:
        with tempfile.TemporaryDirectory() as folder:
            also = pathlib.Path(folder) / "fake_awaiter.hpp"
            also.write_text(extra or "")
            made = subprocess.run([sys.executable, HERE / "registry.py", "--root", self.root, "--also", also,
                                   "--output", pathlib.Path(folder) / "contract_registry.hpp"],
                                  capture_output=True, text=True)
            if made.returncode != 0:
                return False, made.stderr
            source = pathlib.Path(folder) / "check.cpp"
            source.write_text(f'#include "{HERE}/rows.hpp"\n{row}')
            done = subprocess.run([*self.command, f"-I{folder}", source], capture_output=True, text=True)
            return done.returncode == 0, done.stderr


PLAN = """
namespace co_wq::contract {
constexpr plan incomplete{.complete = ends("ok"), .ready = ends("ok"), .error = ends("x"), .cancel = ends("x"),
    .completing = ends("x"), .timeout = ends("x"), .owner_closed = ends("x"), .owner_destroyed = ends("x"),
    .frame_destroyed = gone(), .scope_cancelled = ends("x") LAST};
}
"""


def compile_cases(compiler: str, root: str, flags: list[str]) -> int:
    check = Compiles(compiler, pathlib.Path(root), flags)
    whole = ", .runtime_stopping = ends(\"x\"), .runtime_destroyed = gone()"
    cases = [
        ("the registry as it is", None, "", None),
        ("an awaiter without a row", FAKE, "",
         "fake_awaiter.hpp:7: the awaiter io_fake_awaiter has no row in the contract matrix"),
        ("an awaiter that cannot be read", "constexpr awaiter_ops lost{};", "", "registry: .*not declared"),
        ("a plan with all its cells", None, PLAN.replace("LAST", whole), None),
        ("a plan without its last two cells", None, PLAN.replace("LAST", ""), r"error: .*(expectation|runtime_)"),
        ("a cell without a reason", None, PLAN.replace("LAST", whole).replace('gone(), .scope', 'none(""), .scope'),
         "constant expression|consteval"),
    ]
    failed = 0
    for name, extra, row, expected in cases:
        good, text = check.run(extra, row)
        right = good if expected is None else not good and re.search(expected, text) is not None
        print(f"{'ok' if right else 'FAILED'}: {name}" + ("" if right else f"\n{text}"))
        failed += not right
    return failed


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--compile":
        sys.exit(1 if compile_cases(sys.argv[2], sys.argv[3], sys.argv[4:]) else 0)
    unittest.main()
