#!/usr/bin/env python3
"""Two revisions of this library on the same work, in turns: what a change costs or saves.

    ./dev bench --against REV [--rounds N] [--scale S] [--only WORDS] [--instructions] [--harness DIR [HARNESS ARG...]]

REV is built in build/against/SHA, a git worktree, with the preset release. Each round runs every program of both, who
goes first changes with the round. Printed are medians [lowest-highest] in ns per operation and the ratio of REV to the
working tree: above 1, the working tree is faster. A ratio inside the spread of its own rounds says nothing.

--instructions: user instructions per operation under valgrind instead of time: free of noise, blind for waiting.
--harness:      servers too, by the harness's run.py (README.md), with both revisions on both reactors as subjects.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from callgrind import Failed, instructions, stripped  # noqa: E402
PROGRAMS = {  # program: on how many threads
    "micro_task": (1,), "micro_post": (1,), "micro_sync": (1, 2), "micro_channel": (1, 2), "micro_when_all": (1,),
    "micro_timer": (1,), "micro_cancel": (1,), "micro_xthread": (2,)}
# Under valgrind: one thread; a program with several metrics is counted as a whole, per its scale.
COUNTED = ("micro_task", "micro_post", "micro_sync", "micro_channel", "micro_when_all", "micro_cancel")


def git(*words: str, folder: pathlib.Path = ROOT) -> str:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"against: git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def build(revision: str, jobs: str) -> pathlib.Path:
    """The folder of the other revision's programs."""
    sha = git("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    folder = ROOT / "build" / "against" / sha[:12]
    if not (folder / "CMakeLists.txt").exists():
        git("worktree", "prune")
        git("worktree", "add", "--detach", str(folder), sha)
    environment = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
    for words in (["cmake", "--preset", "release", "-DCO_WQ_TESTS=OFF", "-DCO_WQ_BENCH=ON", "--log-level=WARNING"],
                  ["cmake", "--build", "build/release", "-j", jobs, "--target", "benchmarks"]):
        done = subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            sys.exit(f"against: {revision} does not build")
    return folder / "build/release/bin"


def figures(program: pathlib.Path, threads: int, scale: float) -> dict[str, float]:
    """Metric to ns per operation; none if the program is not there or fails, which is said."""
    if not program.exists():
        return {}
    pin = ["taskset", "-c", "0"] if threads == 1 else []
    done = subprocess.run([*pin, program, "--threads", str(threads), "--scale", str(scale)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        print(f"against: {program} --threads {threads} failed: {done.stderr.strip()[:200]}", file=sys.stderr)
        return {}
    rows = (line.split() for line in done.stdout.splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) == 2}


def of_the_work(program: pathlib.Path, scale: float) -> int | None:
    """Instructions of what a larger scale does more than a smaller one: without start-up."""
    if not program.exists():
        return None
    words = ("--threads", "1", "--reactor", "epoll", "--scale")
    try:
        with stripped(program) as bare:
            return instructions(bare, *words, str(scale / 10)) - instructions(bare, *words, str(scale / 20))
    except Failed as failed:
        print(f"against: {failed}", file=sys.stderr)
        return None


def text_of(values: list[float]) -> str:
    return f"{statistics.median(values):10.4g} {f'[{min(values):.4g}-{max(values):.4g}]':<20}"


def compare(folders: dict[str, pathlib.Path], given: argparse.Namespace) -> None:
    got: dict[str, dict[str, list[float]]] = {who: {} for who in folders}
    order = list(folders)
    for _ in range(given.rounds):
        for program, counts in PROGRAMS.items():
            if given.only not in program:
                continue
            for threads in counts:
                for who in order:
                    for metric, value in figures(folders[who] / program, threads, given.scale).items():
                        got[who].setdefault(f"{metric} ({threads})", []).append(value)
        order.reverse()
    before, now = list(folders)
    print(f"{'metric (threads)':<28} {before:>10} {'':<20} {now:>10} {'':<20} ratio")
    for metric, values in got[now].items():
        old = got[before].get(metric)
        if not old:
            print(f"{metric:<28} {'none':>10} {'':<20} {text_of(values)}")
            continue
        print(f"{metric:<28} {text_of(old)} {text_of(values)} {statistics.median(old) / statistics.median(values):.3f}")


def count(folders: dict[str, pathlib.Path], given: argparse.Namespace) -> None:
    before, now = list(folders)
    print(f"{'instructions of a run':<28} {before:>14} {now:>14} ratio")
    for program in COUNTED:
        if given.only not in program:
            continue
        both = {who: of_the_work(folder / program, given.scale) for who, folder in folders.items()}
        if both[before] is None or both[now] is None:
            print(f"{program:<28} not measured")
            continue
        print(f"{program:<28} {both[before]:>14} {both[now]:>14} {both[before] / both[now]:.4f}")


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("revision")
    words.add_argument("--rounds", type=int, default=7)
    words.add_argument("--scale", type=float, default=0.2)
    words.add_argument("--only", default="", help="programs whose name has these words")
    words.add_argument("--instructions", action="store_true")
    words.add_argument("--harness", type=pathlib.Path)
    words.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    words.add_argument("--jobs", default=str(os.cpu_count() or 1))
    given, more = words.parse_known_args()
    if more and not given.harness:
        words.error(f"unknown option {more[0]}")
    if given.rounds < 1 or given.scale <= 0:
        words.error("--rounds and --scale are above 0")
    other = build(given.revision, given.jobs)
    folders = {given.revision[:10]: other, "now": given.bin.resolve()}
    if given.harness:
        subjects = [f"--add={who}_{reactor}={folder.parent}/bin_{reactor}" for who, folder in folders.items()
                    for reactor in ("epoll", "uring")]
        sys.exit(subprocess.run([sys.executable, given.harness / "run.py", *subjects, *more], check=False).returncode)
    if given.instructions:
        count(folders, given)
    else:
        compare(folders, given)


if __name__ == "__main__":
    main()
