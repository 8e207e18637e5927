"""A copy of the sources with a build of its own, whose files can be changed and put back: for mutants and reversals."""
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


class BrokenTree:
    """parts: folders and files of the project. settings: for CMake. extra: lines behind the top CMakeLists.txt."""

    def __init__(self, name, parts, settings, extra=""):
        self.name, self.settings = name, settings
        self.sources, self.binaries = ROOT / "build" / name / "tree", ROOT / "build" / name / "out"
        os.environ.setdefault("CCACHE_BASEDIR", str(self.sources))
        for part in parts:
            whole = ROOT / part
            for path in [whole] if whole.is_file() else (one for one in whole.rglob("*") if one.is_file()):
                self._copy(path.relative_to(ROOT), path.read_bytes(), path.stat().st_mode)
        self._copy(Path("CMakeLists.txt"), (ROOT / "CMakeLists.txt").read_bytes() + extra.encode(), 0o644)

    def _copy(self, place, content, mode):
        """What did not change keeps its time, so that it is not built again."""
        copy = self.sources / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        if not copy.exists() or copy.read_bytes() != content:
            copy.write_bytes(content)
        copy.chmod(mode)

    def build(self, target, what):
        """Ends the program when what, the thing to be built, does not compile."""
        if not (self.binaries / "build.ninja").exists():
            made = run(["cmake", "-G", "Ninja", "-S", self.sources, "-B", self.binaries,
                        "-DCMAKE_CXX_COMPILER=clang++-19", "-DCMAKE_C_COMPILER=clang-19",
                        "-DCMAKE_BUILD_TYPE=Release", *self.settings])
            if made.returncode != 0:
                sys.exit(f"{self.name}: the tree cannot be configured\n{made.stdout[-3000:]}")
        made = run(["cmake", "--build", self.binaries, "--target", target])
        if made.returncode != 0:
            sys.exit(f"{self.name}: {what} does not build\n{made.stdout[-3000:]}")

    def program(self, name):
        return self.binaries / "bin" / name

    @contextmanager
    def changed(self, what, place, old, new):
        """While inside, the file at place has new for old: one text, or several. Each must be there once."""
        path = self.sources / place
        before = after = path.read_text()
        for text, instead in ((old, new),) if isinstance(old, str) else zip(old, new):
            if after.count(text) != 1:
                sys.exit(f"{self.name}: '{what}': a text of it is {after.count(text)} times in {place}, not once")
            after = after.replace(text, instead)
        path.write_text(after)
        try:
            yield
        finally:
            path.write_text(before)


def choose(table, names, tool):
    """The rows with these names, all when there are none."""
    unknown = set(names) - {one[0] for one in table}
    if unknown:
        sys.exit(f"{tool}: nothing is called {', '.join(sorted(unknown))}; --list names them")
    return [one for one in table if not names or one[0] in names]
