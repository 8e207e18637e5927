#!/usr/bin/env python3
"""TLS of ours against a raw OpenSSL epoll loop, in turns; medians, and CPU seconds of the servers.

    bench/tls.py [--bin FOLDER] [--rounds N] [--seconds S] [--only WORDS]
"""
import argparse
import pathlib
import socket
import statistics
import subprocess

CASES = {  # name: options of tls_load, and what one unit is
    "echo 64 B, 1 connection": (["--mode", "e", "--connections", "1"], "round trips/s"),
    "echo 64 B, 16 connections": (["--mode", "e", "--connections", "16"], "round trips/s"),
    "echo 16 KiB, 4 connections": (["--mode", "e", "--connections", "4", "--bytes", "16384"], "round trips/s"),
    "from the server, 1 stream": (["--mode", "s"], "MiB/s"),
    "to the server, 1 stream": (["--mode", "k"], "MiB/s"),
}
SERVERS = {"raw": ["floor/tls_server"], "epoll": ["tls_server", "--reactor", "epoll"],
           "uring": ["tls_server", "--reactor", "uring"]}


def cpu_seconds(process: int) -> float:
    fields = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure(folder: pathlib.Path, words: list[str], load: list[str], seconds: float) -> tuple[float, float]:
    """Units a second, and CPU seconds of the server for a million of them."""
    program = folder.parent / "bin_floor" / words[0].split("/")[1] if "/" in words[0] else folder / words[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([program, "--port", str(port), *words[1:]], stdout=subprocess.PIPE, text=True) as server:
        if server.stdout.readline().strip() != "READY":
            raise SystemExit(f"{program} did not start")
        before = cpu_seconds(server.pid)
        done = subprocess.run([folder / "tls_load", "--port", str(port), "--seconds", str(seconds), *load],
                              capture_output=True, text=True, check=True, timeout=60)
        used = cpu_seconds(server.pid) - before
        server.terminate()
    units = float(done.stdout)
    if units == 0:
        raise SystemExit(f"{program} did nothing for {' '.join(load)}")
    return units, used / (units * (seconds + 0.3)) * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--only", default="", help="cases whose name has these words")
    chosen = options.parse_args()
    for name, (load, unit) in CASES.items():
        if chosen.only not in name:
            continue
        got: dict[str, list[tuple[float, float]]] = {server: [] for server in SERVERS}
        for _ in range(chosen.rounds):
            for server, words in SERVERS.items():
                got[server].append(measure(chosen.bin.resolve(), words, load, chosen.seconds))
        raw = statistics.median(speed for speed, _ in got["raw"])
        print(name)
        for server, figures in got.items():
            speed = statistics.median(one for one, _ in figures)
            cost = statistics.median(one for _, one in figures)
            print(f"  {server:6} {speed:10.0f} {unit:14} {speed / raw:5.2f}   {cost:8.2f} us of CPU each", flush=True)


if __name__ == "__main__":
    main()
