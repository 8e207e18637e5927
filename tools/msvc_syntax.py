#!/usr/bin/env python3
"""Compiles the sources of the preset windows for MSVC's ABI, without code: ./dev msvc.

For:     what clang-cl and MSVC would meet: their class layout and vtables, _MSC_VER in ours and others' headers, 32-bit
         long, no GNU words. There are no headers of MSVC here: mingw-w64's of the system and libc++'s stand in, so this
         says nothing about MSVC's own library, and nothing is linked.
Usage:   tools/msvc_syntax.py [--jobs N] [PART-OF-A-PATH...]
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBCXX = pathlib.Path("/usr/lib/llvm-19/include/c++/v1")
SYSTEM = pathlib.Path("/usr/x86_64-w64-mingw32/include")
# The stand-ins are given what they need to understand each other: mingw-w64's headers take this for a GNU compiler.
FLAGS = ["--target=x86_64-pc-windows-msvc", "-std=c++23", "-fsyntax-only", "-fms-extensions", "-fno-ms-compatibility",
         "-fgnuc-version=12.2.0", "-U_MSC_VER", "-D_MSC_VER=1940", "-D__MINGW32__", "-D__MINGW64__",
         "-D__declspec=__declspec", "-D_LIBCPP_NO_VCRUNTIME", "-nostdinc++", "-isystem", str(LIBCXX),
         "-isystem", str(SYSTEM), "-Wall", "-Wextra", "-Werror", "-Wno-macro-redefined", "-Wno-#warnings",
         "-ferror-limit=0"]
# What libc++ 19 lacks and MSVC's library has.
ABSENT = [re.compile(r"error: no matching function for call to 'from_chars'")]


def commands(parts):
    """(source, its definitions and folders of headers) of the rooms; not of tests."""
    database = ROOT / "build/windows/compile_commands.json"
    if not database.exists():
        sys.exit("msvc: build/windows is not configured: cmake --preset windows")
    for each in json.loads(database.read_text()):
        path = pathlib.Path(each["file"])
        if not path.is_relative_to(ROOT) or path.suffix != ".cpp":
            continue
        name = str(path.relative_to(ROOT))
        if not name.startswith(("src/", "apps/")) or parts and not any(part in name for part in parts):
            continue
        words = shlex.split(each["command"])
        kept = []
        for at, word in enumerate(words):
            if word.startswith(("-D", "-I")):
                kept.append(word)
            elif word in ("-isystem", "-I", "-D"):
                kept += [word, words[at + 1]]
        yield name, each["directory"], kept


def check(job):
    name, folder, kept = job
    done = subprocess.run(["clang++-19", *kept, *FLAGS, str(ROOT / name)], cwd=folder, capture_output=True, text=True,
                          check=False)
    wrong = [line for line in done.stderr.splitlines() if ": error: " in line or ": fatal error: " in line]
    wrong = [line for line in wrong if not any(one.search(line) for one in ABSENT)]
    if done.returncode < 0:
        wrong.append(f"{name}: the compiler ended by signal {-done.returncode}")
    return name, wrong


def main():
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--jobs", type=int, default=2)
    given.add_argument("parts", nargs="*")
    given = given.parse_args()
    for needed in (LIBCXX, SYSTEM):
        if not needed.is_dir():
            sys.exit(f"msvc: {needed} is not there: install libc++-19-dev and g++-mingw-w64-x86-64-posix")
    jobs = sorted({each[0]: each for each in commands(given.parts)}.values())
    if not jobs:
        sys.exit("msvc: no source is called so")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for name, wrong in pool.map(check, jobs):
            failed += bool(wrong)
            for line in wrong[:10]:
                print(line.replace(str(ROOT) + "/", ""))
    print(f"msvc: {len(jobs)} sources, {failed} with errors")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
