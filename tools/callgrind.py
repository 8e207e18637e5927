"""Instructions of a program's run, counted by callgrind: the same on a busy machine."""
import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

# The C library has memcpy and its like for many processors: those of the plainest, wherever this runs.
PLAIN = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX,-ERMS,-FSRM,-BMI2,"
                                         "-SSE4_2,-SSSE3,-SSE4_1"}


class Failed(Exception):
    """The program, or valgrind."""


@contextlib.contextmanager
def stripped(program: pathlib.Path) -> Iterator[pathlib.Path]:
    """A copy that older valgrinds read: they do not know this debug format."""
    with tempfile.TemporaryDirectory() as folder:
        bare = pathlib.Path(folder) / "program"
        subprocess.run(["objcopy", "--strip-debug", program, bare], check=True)
        yield bare


def instructions(program: pathlib.Path, *words: str) -> int:
    """Of a whole run of a stripped program."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, *words],
                          capture_output=True, text=True, check=False, env=PLAIN)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise Failed(f"{program} {' '.join(words)}: {done.stderr[-500:].strip()}")
    return int(found[1])
