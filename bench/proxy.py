#!/usr/bin/env python3
"""co_http_proxy beside other forward proxies: the same work, in turns, one core each; medians as a table.

    bench/proxy.py [--bin FOLDER] [--rounds N] [--seconds S] [--idle N] [--only NAME,...] [--json FILE]

Measured are requests forwarded, tunnels set up, bytes through tunnels, and the memory of idle tunnels; what each costs
in CPU time of the proxy counts more than its rate, since the load shares the other core. Peers that are not installed
are left out: haproxy, squid, tinyproxy, privoxy, nginx-light, trafficserver, microsocks, and golang-go with
golang-github-elazarl-goproxy-dev (Debian's packages).
Runs as root in a network namespace of its own.
"""
import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import proxies  # noqa: E402

PROXY_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
COLUMNS = (("get", "GET/s"), ("get_cpu", "us/GET"), ("p99", "p99 ms"), ("tunnel", "tunnels/s"),
           ("tunnel_cpu", "us/tunnel"), ("bulk1", "GB/s, one"), ("bulk1_cpu", "CPU-s/GB"),
           ("bulk32", "GB/s, 32"), ("bulk32_cpu", "CPU-s/GB"), ("idle", "KiB/idle tunnel"), ("kept", "MiB kept"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def tree_of(root: int) -> list[int]:
    found, at = [root], 0
    while at < len(found):
        for task in Path(f"/proc/{found[at]}/task").glob("*/children"):
            try:
                found += [int(word) for word in task.read_text().split()]
            except OSError:
                pass
        at += 1
    return found


def cpu_seconds(root: int) -> float:
    total = 0
    for process in tree_of(root):
        try:
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(words[11]) + int(words[12])
    return total / TICKS


def resident_kib(root: int) -> int:
    total = 0
    for process in tree_of(root):
        try:
            total += int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])
        except (OSError, TypeError):
            pass
    return total


def on_core(core: int):
    return lambda: os.sched_setaffinity(0, {core})


class Origin:
    def __init__(self, folder: Path):
        self.process = subprocess.Popen([folder / "co_probe", "origin"], stdout=subprocess.PIPE, text=True,
                                        preexec_fn=on_core(LOAD_CORE))
        where = dict(self.process.stdout.readline().split() for _ in range(4))
        self.http, self.echo = where["http"], where["echo"]


class Running:
    """A proxy, from its start until it accepts, to its end."""

    def __init__(self, peer: proxies.Peer):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="co_wq_bench_"))
        self.folder.chmod(0o777)
        command, variables = peer.command(self.folder, self.port)
        self.process = subprocess.Popen(command, env=os.environ | variables, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=on_core(PROXY_CORE))
        deadline = time.monotonic() + 40
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    self.end()
                    raise SystemExit(f"{peer.name} does not start") from None
                time.sleep(0.05)

    def end(self) -> None:
        for process in reversed(tree_of(self.process.pid)):
            try:
                os.kill(process, 9)
            except ProcessLookupError:
                pass
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Bench:
    def __init__(self, folder: Path, seconds: float, idle: int):
        self.folder, self.seconds, self.idle = folder, seconds, idle
        self.origin = Origin(folder)

    def load(self, running: Running, peer: proxies.Peer, path: str, *options: str) -> tuple[dict, float]:
        """What co_probe reports, and the CPU seconds that the proxy used meanwhile."""
        scheme = peer.tunnel if "--connect" in options and peer.tunnel else "http"
        words = [each for each in options if not (each == "--connect" and scheme == "socks5")]
        with tempfile.NamedTemporaryFile(suffix=".json") as report:
            before = cpu_seconds(running.process.pid)
            done = subprocess.run([self.folder / "co_probe", "run", f"http://{self.origin.http}{path}", "--proxy",
                                   f"{scheme}://127.0.0.1:{running.port}", "--duration", str(self.seconds), "--warmup",
                                   "0", "--quiet", "--json", report.name, *words], capture_output=True, text=True,
                                  check=False, preexec_fn=on_core(LOAD_CORE))
            used = cpu_seconds(running.process.pid) - before
            if done.returncode != 0:
                raise SystemExit(f"{peer.name}, {path} {' '.join(words)}:\n{done.stdout}{done.stderr}")
            return json.loads(Path(report.name).read_text())["runs"][0], used

    def measure(self, peer: proxies.Peer) -> dict[str, float]:
        got: dict[str, float] = {}
        running = Running(peer)
        try:
            if peer.forwards:
                run, used = self.load(running, peer, "/bytes/1024", "--connections", "64")
                got |= {"get": run["rate"], "get_cpu": used / run["answers"] * 1e6,
                        "p99": run["latency"]["p99_ns"] / 1e6}
            if peer.tunnel:
                run, used = self.load(running, peer, "/bytes/64", "--connect", "--new-connections", "--connections",
                                      "32")
                got |= {"tunnel": run["rate"], "tunnel_cpu": used / run["answers"] * 1e6}
                for name, connections in (("bulk1", 1), ("bulk32", 32)):
                    size = 100_000_000 if connections == 1 else 10_000_000
                    run, used = self.load(running, peer, f"/bytes/{size}", "--connect", "--no-verify",
                                          "--connections", str(connections))
                    got |= {name: run["body_bytes"] / run["measured_s"] / 1e9,
                            f"{name}_cpu": used / (run["body_bytes"] / 1e9)}
                got |= self.hold(running, peer)
        finally:
            running.end()
        return got

    def hold(self, running: Running, peer: proxies.Peer) -> dict[str, float]:
        """KiB for each idle tunnel, and what is still held a while after they have ended."""
        def open_one() -> socket.socket:
            one = socket.create_connection(("127.0.0.1", running.port), 10)
            host, port = self.origin.echo.split(":")
            if peer.tunnel == "socks5":
                one.sendall(b"\5\1\0")
                if one.recv(2) != b"\5\0":
                    raise SystemExit(f"{peer.name}: no SOCKS 5")
                one.sendall(b"\5\1\0\1" + socket.inet_aton(host) + int(port).to_bytes(2, "big"))
                good = one.recv(10)[1:2] == b"\0"
            else:
                one.sendall(f"CONNECT {self.origin.echo} HTTP/1.1\r\nHost: {self.origin.echo}\r\n\r\n".encode())
                good = b" 200 " in one.recv(4096)
            if not good:
                raise SystemExit(f"{peer.name}: no tunnel")
            return one

        for one in [open_one() for _ in range(20)]:
            one.close()
        time.sleep(0.5)
        before = resident_kib(running.process.pid)
        tunnels = [open_one() for _ in range(self.idle)]
        time.sleep(1)
        peak = resident_kib(running.process.pid)
        for one in tunnels:
            one.close()
        time.sleep(7)
        after = resident_kib(running.process.pid)
        return {"idle": (peak - before) / self.idle, "kept": (after - before) / 1024}


def table(medians: dict[str, dict[str, float]]) -> str:
    lines = ["| proxy | " + " | ".join(title for _, title in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, got in medians.items():
        cells = []
        for key, _ in COLUMNS:
            value = got.get(key)
            cells.append("-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", type=Path, default=Path("build/release/bin"))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.5)
    options.add_argument("--idle", type=int, default=2000)
    options.add_argument("--only", default="", help="these, with commas")
    options.add_argument("--json", type=Path, help="every round's figures")
    chosen = options.parse_args()
    if os.environ.get("CO_WQ_BENCH_INSIDE") != "1":
        os.execvpe("unshare", ["unshare", "--net", "--", sys.executable, __file__, *sys.argv[1:]],
                   os.environ | {"CO_WQ_BENCH_INSIDE": "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in (("ip_local_port_range", "1024 65535"), ("tcp_tw_reuse", "1")):
        Path(f"/proc/sys/net/ipv4/{name}").write_text(value)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    peers = proxies.installed(chosen.bin.resolve(), chosen.only.split(",") if chosen.only else [])
    bench = Bench(chosen.bin.resolve(), chosen.seconds, chosen.idle)
    rounds: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    try:
        for turn in range(chosen.rounds):
            for peer in peers:
                rounds[peer.name].append(bench.measure(peer))
                print(f"round {turn + 1}: {peer.name} {rounds[peer.name][-1]}", file=sys.stderr)
    finally:
        bench.origin.process.kill()
    medians = {name: {key: statistics.median(one[key] for one in all_of) for key in all_of[0]}
               for name, all_of in rounds.items()}
    print(table(medians))
    if chosen.json:
        chosen.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
