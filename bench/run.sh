#!/usr/bin/env bash
# Runs the benchmarks of a build and prints what it measured. Builds nothing.
#
# usage: bench/run.sh [--harness DIR] [--bin DIR] [--rounds N] [--scale S] [-- HARNESS ARG...]
#        bench/run.sh --against REV [OPTION...]    two revisions: bench/against.py
#
# With a harness (--harness, or the variable CO_WQ_BENCH_HARNESS: a folder with the run.py that bench/README.md
# describes), it runs that, with our programs on both reactors as subjects next to the peers. Without one: our
# programs and the floor programs, interleaved, and a table of the medians.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

harness=${CO_WQ_BENCH_HARNESS:-}
bin=build/release/bin
rounds=5
scale=0.2
[[ ${1:-} != --against ]] || { shift && exec bench/against.py "$@"; }
while [[ $# -gt 0 ]]; do
    case $1 in
        --harness) harness=${2:?--harness takes a folder} && shift 2 ;;
        --bin) bin=${2:?--bin takes a folder} && shift 2 ;;
        --rounds) rounds=${2:?--rounds takes a number} && shift 2 ;;
        --scale) scale=${2:?--scale takes a number} && shift 2 ;;
        --) shift && break ;;
        *) echo "run.sh: unknown option $1; bench/README.md lists them" >&2 && exit 2 ;;
    esac
done
bin=$(readlink -f "$bin") || true
[[ -x $bin/micro_task ]] || { echo "run.sh: no benchmarks in $bin: build first (./dev build release)" >&2 && exit 1; }
other=${bin%/bin}/bin_
floor=${bin%/bin}/bin_floor

if [[ -n $harness ]]; then
    [[ -f $harness/run.py ]] || { echo "run.sh: there is no run.py in $harness" >&2 && exit 1; }
    exec python3 "$harness/run.py" --add "co_wq_epoll=${other}epoll" --add "co_wq_uring=${other}uring" "$@"
fi

# Rounds: every program once per round, ours and the floor's in turn, so that a busy minute hits both alike.
programs=(micro_task micro_post micro_sync micro_channel micro_when_all micro_timer micro_cancel)
two_threads=(micro_sync micro_channel micro_xthread)
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT

# run WHO FOLDER PROGRAM THREADS: appends "who metric value" lines; a program that fails is named and leaves none.
run() {
    local out pin=()
    [[ -x $2/$3 ]] || return 0
    [[ $4 != 1 ]] || pin=(taskset -c 0)
    if out=$("${pin[@]}" "$2/$3" --threads "$4" --scale "$scale"); then
        sed "s/^/$1 /" <<<"$out" >>"$figures"
    else
        echo "run.sh: $3 --threads $4 of $1 failed" >&2
        failed=1
    fi
}

failed=0
for ((round = 1; round <= rounds; ++round)); do
    [[ ! -t 2 ]] || printf '\rround %d of %d' "$round" "$rounds" >&2
    for program in "${programs[@]}"; do
        run floor "$floor" "$program" 1
        run co_wq "$bin" "$program" 1
    done
    for program in "${two_threads[@]}"; do run co_wq "$bin" "$program" 2; done
done
[[ ! -t 2 ]] || printf '\r' >&2

echo "ns per operation: median [lowest-highest] of $rounds interleaved rounds, scale $scale"
echo "floor: bare C++ (bench/floor)"
sort -k2,2 -k1,1 -k3,3g "$figures" | awk '
    function flush_group() {
        if (!n) return
        key = metric SUBSEP who
        median[key] = n % 2 ? value[(n + 1) / 2] : (value[n / 2] + value[n / 2 + 1]) / 2
        span[key] = sprintf("[%.4g-%.4g]", value[1], value[n])
        n = 0
    }
    { if ($1 != who || $2 != metric) flush_group(); who = $1; metric = $2; value[++n] = $3
      if (!($2 in seen)) { seen[$2] = 1; order[++metrics] = $2 } }
    END {
        flush_group()
        printf "%-20s %10s %-20s %10s %-20s %s\n", "metric", "co_wq", "", "floor", "", "ratio"
        for (i = 1; i <= metrics; ++i) {
            m = order[i]; ours = m SUBSEP "co_wq"; bare = m SUBSEP "floor"
            if (!(ours in median)) continue
            printf "%-20s %10.4g %-20s", m, median[ours], span[ours]
            if (bare in median) printf " %10.4g %-20s %.2f", median[bare], span[bare], median[ours] / median[bare]
            printf "\n"
        }
    }'
exit "$failed"
