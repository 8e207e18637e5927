#!/usr/bin/env python3
"""co_http_proxy beside other forward proxies: the same work, in turns, one core each; medians as a table.

    bench/proxy.py [--bin FOLDER] [--rounds N] [--seconds S] [--idle N] [--parts PART,...] [--only NAME,...]
                   [--json FILE]

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
import bulk  # noqa: E402
import proxies  # noqa: E402

BULK = str(Path(__file__).parent / "bulk.py")
PARTS = ("requests", "tunnels", "bulk", "idle")

PROXY_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
# key, title, and whether more is better; None: no contest
COLUMNS = (("get", "GET/s", True), ("get_cpu", "us/GET", False), ("p99", "p99 ms", False),
           ("tunnel", "tunnels/s", True), ("tunnel_cpu", "us/tunnel", False),
           ("bulk1", "GB/s, one", True), ("bulk1_cpu", "CPU-s/GB", False),
           ("bulk32", "GB/s, 32", True), ("bulk32_cpu", "CPU-s/GB", False),
           ("idle", "KiB/idle tunnel", False), ("kept", "MiB kept", None))


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
        self.sender = subprocess.Popen([sys.executable, BULK, "origin"], stdout=subprocess.PIPE, text=True,
                                       preexec_fn=on_core(LOAD_CORE))
        self.bulk = self.sender.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.sender.kill()


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
    def __init__(self, folder: Path, seconds: float, idle: int, parts: list[str]):
        self.folder, self.seconds, self.idle, self.parts = folder, seconds, idle, parts
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
            if peer.forwards and "requests" in self.parts:
                run, used = self.load(running, peer, "/bytes/1024", "--connections", "64")
                got |= {"get": run["rate"], "get_cpu": used / run["answers"] * 1e6,
                        "p99": run["latency"]["p99_ns"] / 1e6}
            if peer.tunnel and "tunnels" in self.parts:
                run, used = self.load(running, peer, "/bytes/64", "--connect", "--new-connections", "--connections",
                                      "32")
                got |= {"tunnel": run["rate"], "tunnel_cpu": used / run["answers"] * 1e6}
            if peer.tunnel and "bulk" in self.parts:
                for tunnels in (1, 32):
                    got |= self.relay(running, peer, tunnels)
            if peer.tunnel and "idle" in self.parts:
                got |= self.hold(running, peer)
        finally:
            running.end()
        return got

    def relay(self, running: Running, peer: proxies.Peer, tunnels: int) -> dict[str, float]:
        before = cpu_seconds(running.process.pid)
        done = subprocess.run([sys.executable, BULK, "load", f"127.0.0.1:{running.port}", peer.tunnel,
                               self.origin.bulk, str(tunnels), str(self.seconds)], stdout=subprocess.PIPE, text=True,
                              check=True, preexec_fn=on_core(LOAD_CORE))
        used = cpu_seconds(running.process.pid) - before
        size, seconds = (float(word) for word in done.stdout.split())
        return {f"bulk{tunnels}": size / seconds / 1e9, f"bulk{tunnels}_cpu": used / (size / 1e9)}

    def hold(self, running: Running, peer: proxies.Peer) -> dict[str, float]:
        """KiB for each idle tunnel, and what is still held a while after they have ended."""
        def open_one() -> socket.socket:
            return bulk.open_tunnel(f"127.0.0.1:{running.port}", peer.tunnel, self.origin.echo)

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


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def best_of(medians: dict[str, dict[str, float]], key: str, more: bool) -> float | None:
    values = [got[key] for name, got in medians.items() if key in got and not name.startswith(proxies.OURS)]
    return (max(values) if more else min(values)) if values else None


def table(medians: dict[str, dict[str, float]]) -> str:
    """Ours with the ratio to the best of the others behind each figure: above 1 is better."""
    lines = ["| proxy | " + " | ".join(title for _, title, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, got in medians.items():
        cells = []
        for key, _, more in COLUMNS:
            value, best = got.get(key), None if more is None else best_of(medians, key, more)
            text = shown(value)
            if name.startswith(proxies.OURS) and value and best:
                text += f" ({value / best if more else best / value:.2f})"
            cells.append(text)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", type=Path, default=Path("build/release/bin"))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=1.5)
    options.add_argument("--idle", type=int, default=2000)
    options.add_argument("--only", default="", help="these, with commas")
    options.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    options.add_argument("--json", type=Path, help="every round's figures")
    chosen = options.parse_args()
    if os.environ.get("CO_WQ_BENCH_INSIDE") != "1":
        os.execvpe("unshare", ["unshare", "--net", "--", sys.executable, __file__, *sys.argv[1:]],
                   os.environ | {"CO_WQ_BENCH_INSIDE": "1"})
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # reno, since others may pace what they send
    for name, value in (("ip_local_port_range", "1024 65535"), ("tcp_tw_reuse", "1"),
                        ("tcp_congestion_control", "reno")):
        Path(f"/proc/sys/net/ipv4/{name}").write_text(value)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    peers = proxies.installed(chosen.bin.resolve(), chosen.only.split(",") if chosen.only else [])
    bench = Bench(chosen.bin.resolve(), chosen.seconds, chosen.idle, chosen.parts.split(","))
    rounds: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    try:
        for turn in range(chosen.rounds):
            for peer in peers:
                rounds[peer.name].append(bench.measure(peer))
                print(f"round {turn + 1}: {peer.name} {rounds[peer.name][-1]}", file=sys.stderr)
    finally:
        bench.origin.end()
    medians = {name: {key: statistics.median(one[key] for one in all_of) for key in all_of[0]}
               for name, all_of in rounds.items()}
    print(table(medians))
    if chosen.json:
        chosen.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
