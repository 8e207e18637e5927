#!/usr/bin/env python3
"""Collects every awaiter of the library into one list, from which the contract matrix is built.

An awaiter is a class that declares `static constexpr awaiter_ops NAME{"what"...}` or a function await_suspend. What
looks like either and cannot be understood is an error, never left out.

    registry.py --root FOLDER [--also FILE...] --output registry.hpp
"""
import argparse
import pathlib
import re
import sys

FOLDERS = ("src", "apps")
OPS = re.compile(r"\bawaiter_ops\b")
OPS_DECLARED = re.compile(r"static\s+constexpr\s+awaiter_ops\s+\w+\s*\{\s*\"([^\"\n]*)\"")
SUSPEND = re.compile(r"\bawait_suspend\s*\(")
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|R\"\(.*?\)\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


class Unclear(Exception):
    pass


def without_comments(text: str) -> tuple[str, str]:
    """The text without comments, and the same without the contents of strings; positions stay."""
    def blank(found: str) -> str:
        return re.sub(r"[^\n]", " ", found)

    def comment(match: re.Match) -> str:
        return blank(match.group()) if match.group().startswith("/") else match.group()

    def quoted(match: re.Match) -> str:
        # a digit separator is no character
        return match.group()[0] + blank(match.group()[1:-1]) + match.group()[-1]

    plain = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    plain = TOKEN.sub(comment, plain)
    return plain, TOKEN.sub(quoted, plain)


def without_template_heads(head: str) -> str:
    while match := re.search(r"\btemplate\s*<", head):
        depth, at = 1, match.end()
        while depth and at < len(head):
            depth += {"<": 1, ">": -1}.get(head[at], 0)
            at += 1
        head = head[:match.start()] + head[at:]
    return head


def scope_of(head: str, stem: str) -> tuple[str, str]:
    """What a brace opens: ("namespace" | "class" | "other", name)."""
    head = without_template_heads(head)
    if match := re.search(r"\bnamespace\s*([\w:]*)\s*$", head):
        return "namespace", match.group(1) or stem
    head = re.sub(r"\b(alignas|requires)\s*\([^()]*\)", "", head)
    if re.search(r"\benum\b", head) or "(" in head.split(":")[0]:
        return "other", ""
    names = re.search(r"\b(?:class|struct|union)\b(?:\s*\[\[.*?\]\]|\s+[A-Z][A-Z_]+(?=\s+\w))*\s*([\w:]*)", head)
    return ("class", names.group(1)) if names else ("other", "")


def scopes_at(code: str, places: list[int], stem: str) -> dict[int, list[tuple[str, str]]]:
    """The scopes around each place, outermost first."""
    around: dict[int, list[tuple[str, str]]] = {}
    stack: list[tuple[str, str]] = []
    start = 0
    pending = sorted(places)
    for match in re.finditer(r"[{};]|^[ \t]*#[^\n]*", code, re.MULTILINE):
        while pending and pending[0] < match.start():
            around[pending.pop(0)] = list(stack)
        if match.group() == "{":
            stack.append(scope_of(code[start:match.start()], stem))
        elif match.group() == "}":
            if not stack:
                raise Unclear("more braces close than open")
            stack.pop()
        start = match.end()
    for place in pending:
        around[place] = list(stack)
    return around


def identifier(scopes: list[tuple[str, str]]) -> str:
    names = [part for _, name in scopes for part in name.split("::")]
    return "_".join(name for name in names if name not in ("", "co_wq", "detail"))


def awaiters_in(path: str, text: str) -> list[tuple[str, str, int]]:
    """(identifier, what it is, line) of each awaiter class of one file."""
    if not OPS.search(text) and not SUSPEND.search(text):
        return []
    plain, code = without_comments(text)
    found: list[tuple[int, str]] = []
    declarations = list(OPS_DECLARED.finditer(plain))
    for match in OPS.finditer(code):
        after = code[match.end():].lstrip()
        before = code[:match.start()].rstrip()
        if after.startswith(("&", "*", "*/")) or (before.endswith("struct") and after.startswith("{")):
            continue  # passed on, or the type itself
        declared = next((one for one in declarations if one.start() <= match.start() < one.end()), None)
        if not declared:
            raise Unclear(f"{path}:{line_of(code, match.start())}: awaiter_ops that is not declared as "
                          f"static constexpr awaiter_ops NAME{{\"what\", ...}}")
        found.append((match.start(), declared.group(1)))
    for match in SUSPEND.finditer(code):
        if not code[:match.start()].rstrip().endswith((".", "->")):
            found.append((match.start(), ""))
    stem = re.sub(r"\W", "_", pathlib.PurePath(path).stem)
    try:
        around = scopes_at(code, [place for place, _ in found], stem)
    except Unclear as why:
        raise Unclear(f"{path}: {why}") from None
    awaiters = []
    for place, what in found:
        scopes = around[place]
        name = identifier(scopes)
        if not scopes or scopes[-1][0] != "class" or not name or any(kind == "other" for kind, _ in scopes):
            raise Unclear(f"{path}:{line_of(code, place)}: an awaiter whose class cannot be told")
        awaiters.append((name, what, line_of(code, place)))
    return awaiters


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def collect(root: pathlib.Path, also: list[pathlib.Path]) -> dict[str, tuple[str, str]]:
    """Identifier to (what, path:line)."""
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.[ch]pp"))]
    registry: dict[str, tuple[str, str]] = {}
    for path in files + also:
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        for name, what, line in awaiters_in(shown, path.read_text(encoding="utf-8")):
            known = registry.get(name)
            if known and known[1].rsplit(":", 1)[0] != shown:
                raise Unclear(f"{shown}:{line}: {name} is also in {known[1]}: two awaiters need two names")
            if known and what and known[0] and known[0] != what:
                raise Unclear(f"{shown}:{line}: {name} has two texts")
            registry[name] = (what or (known[0] if known else ""), known[1] if known else f"{shown}:{line}")
    return registry


def header(registry: dict[str, tuple[str, str]]) -> str:
    lines = ["// Made by tests/contract/registry.py from the sources.", "#pragma once", "",
             "#define CO_WQ_EACH_AWAITER(X) \\"]
    lines += [f'    X({name}, "{what or "-"}", "{where}") \\' for name, (what, where) in sorted(registry.items())]
    return "\n".join(lines) + "\n\n"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--root", type=pathlib.Path, required=True)
    options.add_argument("--also", type=pathlib.Path, nargs="*", default=[])
    options.add_argument("--output", type=pathlib.Path, required=True)
    chosen = options.parse_args()
    try:
        registry = collect(chosen.root, chosen.also)
    except Unclear as why:
        print(f"registry: {why}", file=sys.stderr)
        return 1
    if not registry:
        print(f"registry: no awaiter below {chosen.root}", file=sys.stderr)
        return 1
    text = header(registry)
    if not chosen.output.exists() or chosen.output.read_text(encoding="utf-8") != text:
        chosen.output.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
