#!/usr/bin/env python3
"""Traps of our language and habits, found by pattern.

await-condition   co_await inside the parentheses of if, while, switch, do or for: g++ 12 misplaces the promise
await-ternary     co_await and ?: in one statement: g++ 12 destroys the temporary twice
capturing-lambda  a capturing lambda that is a coroutine: its captures die before its body. Tests and benchmarks may
                  give it a name or hand it to sync_wait() or run...(), where it outlives the coroutine
if-zero           #if 0
todo              TODO or FIXME without an issue number
sleep             a sleep in a test that blocks the thread: wait for the event instead (the loop's own timers,
                  awaited, are what such tests are about)
fixed-port        a test that binds a constant port: bind port 0 and ask which one it was

A line that must do it says why: // lint-ok(RULE): reason   (# in other languages), on the line or the one before.
"""
import re
from typing import Iterator

from tree import CPP, Problem, Tree, closing, code_only, line_of, main

FOLDERS = ("src", "apps", "examples", "tests", "bench")
SCRIPTS = (".py", ".sh", ".cmake", ".txt")
OWN_TESTS = "tests/check/"  # they hold the bad samples

Finding = tuple[int, str, str]


def await_conditions(code: str) -> Iterator[Finding]:
    for match in re.finditer(r"\b(if|while|switch|for)\b\s*(?:constexpr\s*)?\(", code):
        condition = code[match.end():closing(code, match.end() - 1)]
        if match.group(1) == "for":
            parts = condition.split(";")
            condition = parts[1] if len(parts) == 3 else ""
        if re.search(r"\bco_await\b", condition):
            yield match.start(), "await-condition", "co_await in a condition: name the result first"


def await_ternaries(code: str) -> Iterator[Finding]:
    for match in re.finditer(r"[^;{}]+", code):
        statement = match.group()
        found = re.search(r"\bco_await\b", statement)
        if found and "?" in statement:
            yield match.start() + found.start(), "await-ternary", "co_await and ?: in one statement: use if and else"


LAMBDA_BEFORE = re.compile(r"(?:^|[^\w\s)\]>]|\b(?:return|co_return|co_await|co_yield|case))\s*$")


def lambda_body(code: str, after: int) -> tuple[int, int, str] | None:
    """Start and end of the body of the lambda whose introducer ends before after, and its parameters."""
    parameters = ""
    if start := re.compile(r"\s*(<[^{};]*?>)?\s*\(").match(code, after):
        end = closing(code, start.end() - 1)
        parameters = code[start.end():end]
        after = end + 1
    opened = re.compile(r"[^;{}()\[\]=]*(?:\([^(){};]*\)[^;{}()\[\]=]*)*\{").match(code, after)
    if not opened:
        return None
    return opened.end() - 1, closing(code, opened.end() - 1), parameters


def blank_inner_lambdas(code: str) -> str:
    for _, start, _, _, end in lambdas(code):
        code = code[:start] + " " * (end - start) + code[end:]
    return code


def lambdas(code: str) -> Iterator[tuple[int, int, str, str, int]]:
    """Introducer, start of the body, captures, parameters, end; outermost first."""
    for match in re.finditer(r"\[", code):
        before = code[max(0, match.start() - 80):match.start()]
        if code.startswith("[[", match.start()) or not LAMBDA_BEFORE.search(before):
            continue
        end = closing(code, match.start())
        if body := lambda_body(code, end + 1):
            yield match.start(), body[0], code[match.end():end].strip(), body[2].strip(), body[1]


OUTLIVES = re.compile(r"(\w\s*=|\b(sync_wait|run\w*)\()\s*$")


def capturing_lambdas(code: str, is_test: bool) -> Iterator[Finding]:
    for introducer, start, captures, parameters, end in lambdas(code):
        if is_test and OUTLIVES.search(code[max(0, introducer - 80):introducer]):
            continue
        if not captures or re.match(r"this\s+(auto|\w+)\s+\w+", parameters):
            continue  # no captures, or they travel by value with an explicit object parameter
        if re.search(r"\bco_(await|return|yield)\b", blank_inner_lambdas(code[start + 1:end])):
            yield start, "capturing-lambda", "a capturing lambda must not be a coroutine: pass arguments instead"


def if_zeros(code: str) -> Iterator[Finding]:
    for match in re.finditer(r"^[ \t]*#[ \t]*if[ \t]+0\b", code, re.MULTILINE):
        yield match.start(), "if-zero", "#if 0: delete the code, the history keeps it"


def todos(text: str) -> Iterator[Finding]:
    for match in re.finditer(r"\b(TODO|FIXME|XXX)\b(?!\s*\(?#\d+)", text):
        yield match.start(), "todo", f"{match.group()} without an issue number, as in TODO(#12)"


SLEEP = re.compile(
    r"(?<!co_await )\b(sleep_for|sleep_until|usleep|nanosleep|time\.sleep|asyncio\.sleep|sleep\s*\(|sleep +[0-9.])")


def sleeps(code: str) -> Iterator[Finding]:
    for match in SLEEP.finditer(code):
        yield match.start(), "sleep", "a test must not sleep: wait for the event"


FIXED_PORT = re.compile(
    r"htons\(\s*[1-9]\d*\s*\)|"
    r"--port[\"',= ]+[1-9]\d+|"
    r"\b(?:bind|listen|listen_on|create_server)\w*\s*\([^;]*?(?::[1-9]\d{3,4}\"|,\s*[1-9]\d{3,4}\s*[),}])|"
    r"\b(?:TCPServer|HTTPServer|start_server|create_server)\w*\([^\n]*?,\s*[1-9]\d{1,4}\b")


def fixed_ports(text: str) -> Iterator[Finding]:
    for match in FIXED_PORT.finditer(text):
        yield match.start(), "fixed-port", "a constant port: bind port 0 and ask which one it was"


def findings(path: str, text: str) -> Iterator[Finding]:
    yield from todos(text)
    if path.endswith(CPP):
        code = code_only(text)
        yield from await_conditions(code)
        yield from await_ternaries(code)
        yield from capturing_lambdas(code, path.startswith(("tests/", "bench/")))
        yield from if_zeros(code)
    else:
        code = text
    if path.startswith("tests/"):
        yield from sleeps(code)
        yield from fixed_ports(text)


def excused(lines: list[str], line: int, rule: str) -> bool:
    pattern = re.compile(rf"(//|#) lint-ok\({rule}\): \S")
    return any(pattern.search(text) for text in lines[max(0, line - 2):line])


def check(tree: Tree) -> Iterator[Problem]:
    for path in tree.files(FOLDERS, CPP + SCRIPTS):
        if path.startswith(OWN_TESTS):
            continue
        text = tree.text(path)
        lines = text.splitlines()
        for offset, rule, message in findings(path, text):
            line = line_of(text, offset)
            if not excused(lines, line, rule):
                yield Problem(path, line, f"{rule}: {message}")


if __name__ == "__main__":
    main(check)
