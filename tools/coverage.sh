#!/usr/bin/env bash
# How much of the core the tests reach: lines and branches of base, task, sync and io, file by file, the sums last.
# Fails when task, sync or io is below the goal. ./dev coverage calls it. usage: coverage.sh [--files]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
files=no
case "$*" in
    '') ;;
    --files) files=yes ;;
    *) echo "coverage: takes nothing or --files" >&2 && exit 2 ;;
esac
lines_goal=95 branches_goal=85
build=build/coverage
profiles=$build/profiles

cmake --preset coverage --log-level=WARNING >/dev/null
mapfile -t programs < <(ninja -C "$build" -t targets all | sed -n 's|^bin/\([a-z_]*tests\?\): .*|\1|p' |
    grep -vE '^(http|reference)')
cmake --build "$build" -j "${CO_WQ_JOBS:-$(nproc)}" --target "${programs[@]}" co_wq_sim co_http_proxy >/dev/null
rm -rf "$profiles" && mkdir -p "$profiles"

export LLVM_PROFILE_FILE="$PWD/$profiles/%p-%m.profraw"
for program in "${programs[@]}"; do
    timeout 600 "$build/bin/$program" --gtest_brief=1 >/dev/null 2>&1 || echo "coverage: $program failed" >&2
done
for seed in $(seq 1 150); do "$build/bin/co_wq_sim" lifetime --seed "$seed" >/dev/null 2>&1; done
for seed in $(seq 1 40); do "$build/bin/co_wq_sim" proxy --seed "$seed" >/dev/null 2>&1; done
# signals, several loops, and the real proxy under real clients
for reactor in epoll uring; do
    CO_WQ_PROXY=$build/bin/co_http_proxy CO_WQ_REACTOR=$reactor timeout 300 \
        python3 tests/e2e/process_test.py >/dev/null 2>&1 ||
        echo "coverage: e2e process on $reactor failed" >&2
done
llvm-profdata-19 merge -sparse -o "$build/all.profdata" "$profiles"/*.profraw
rm -rf "$profiles"

objects=()
for program in "${programs[@]}" co_wq_sim; do objects+=(-object "$build/bin/$program"); done
llvm-cov-19 export -summary-only -instr-profile "$build/all.profdata" "${objects[@]}" \
    -ignore-filename-regex='(tests|examples|bench|apps)/' >"$build/summary.json" 2>/dev/null
python3 - "$build/summary.json" "$files" "$lines_goal" "$branches_goal" <<'PYTHON'
import json, os, sys
path, files, lines_goal, branches_goal = sys.argv[1], sys.argv[2] == "yes", float(sys.argv[3]), float(sys.argv[4])
root, rooms = os.getcwd() + "/src/", {}
for entry in json.load(open(path))["data"][0]["files"]:
    if not entry["filename"].startswith(root):
        continue
    name, sums = entry["filename"][len(root):], entry["summary"]
    figures = [sums["lines"]["covered"], sums["lines"]["count"], sums["branches"]["covered"], sums["branches"]["count"]]
    room = rooms.setdefault(name.split("/")[0], [0, 0, 0, 0])
    for at, figure in enumerate(figures):
        room[at] += figure
    if files:
        print(f"{name:44} lines {figures[0]:4}/{figures[1]:4}  branches {figures[2]:4}/{figures[3]:4}")
failed = False
for room in ("base", "task", "sync", "io"):
    lines, all_lines, branches, all_branches = rooms.get(room, [0, 1, 0, 1])
    share, branch_share = 100 * lines / max(all_lines, 1), 100 * branches / max(all_branches, 1)
    short = room != "base" and (share < lines_goal or branch_share < branches_goal)
    failed |= short
    print(f"coverage: {room:5} {share:5.1f} % of {all_lines} lines, {branch_share:5.1f} % of {all_branches} branches"
          + ("  BELOW THE GOAL" if short else ""))
sys.exit(1 if failed else 0)
PYTHON
