"""Runs co_http_proxy, watches it and stops it: every test ends with a clean exit and nothing left open."""
import collections
import contextlib
import os
import re
import resource
import signal
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

import settings
from origins import Authority, Origin, Site
from settings import PROMPT, TIMEOUT
from wire import Message, Wire, request, response, wait_until

BAD_OUTPUT = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|MemorySanitizer|UndefinedBehaviorSanitizer|"
                        r": runtime error: |co_wq: fault:|terminate called|Assertion .* failed")

Sockets = collections.Counter


def environment() -> dict[str, str]:
    """No proxies from outside, quick failures of the resolver, sanitizers that fail loudly."""
    made = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    made["CO_WQ_PROXY"] = str(settings.PROXY)
    made["RES_OPTIONS"] = "timeout:1 attempts:1"
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
        made[name] = made.get(name, "") + ":exitcode=86"
    return made


def tcp_states(inodes: set[str]) -> Sockets:
    """How many of the sockets are in which state, as /proc/net/tcp spells it: 08 is CLOSE-WAIT, 0A is LISTEN."""
    states = Sockets()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            words = line.split()
            if words[9] in inodes:
                states[words[3]] += 1
    return states


class Proxy:
    """A running proxy. Its standard error is read all the time; log holds the lines.

    descriptors is its RLIMIT_NOFILE; threads=None leaves the number to the program; under is what it is started by.
    program is another file than the one under test; variables are added to its environment.
    """

    def __init__(self, *options: str, reactor: str | None = None, port: int | None = 0, descriptors: int | None = None,
                 threads: int | None = 2, wait: bool = True, log_file: Path | None = None, under: tuple[str, ...] = (),
                 program: Path | None = None, variables: dict[str, str] | None = None,
                 pass_fds: tuple[int, ...] = ()):
        command = [*under, *([str(program)] if program else settings.COMMAND), "--reactor", reactor or settings.REACTOR]
        if port is not None:  # else the config file says where it listens
            command += ["--port", str(port)]
        if threads:
            command += ["--threads", str(threads)]
        if log_file:
            command += ["--log-file", str(log_file)]
        limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        self.log: list[str] = []
        self.killed = False
        self.host, self.port = "127.0.0.1", port
        self._grown = threading.Condition()
        self._closed = False
        self.process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, env=environment() | (variables or {}),
                                        preexec_fn=limit or None, pass_fds=pass_fds)
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_until_listening(log_file)

    def wait_until_listening(self, log_file: Path | None = None) -> None:
        listening = r"listening on (\S+):(\d+)"
        if log_file:
            match = wait_until(lambda: log_file.exists() and re.search(listening, log_file.read_text()), "it listens")
        else:
            match = self.wait_for_log(listening)
        said = match[1].strip("[]")
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(said, said)
        self.port = int(match[2])
        # the least of three: one on which a supervisor is told something lives for a moment
        self.sockets_at_start = min(self.socket_count() for _ in range(3))

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._grown:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._closed = True
            self._grown.notify_all()

    def wait_for_log(self, pattern: str, within: float = TIMEOUT) -> re.Match:
        found: list[re.Match] = []

        def there() -> bool:
            for line in self.log:
                if match := re.search(pattern, line):
                    found.append(match)
                    return True
            return self._closed

        with self._grown:
            self._grown.wait_for(there, within)
        if not found:
            raise AssertionError(f"no log line with {pattern!r}; status {self.process.poll()}; log:\n{self.log_text()}")
        return found[0]

    def log_text(self) -> str:
        return "\n".join(self.log)

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    # -- what the system knows about it

    def descriptors(self) -> list[str]:
        names = []
        folder = f"/proc/{self.pid}/fd"
        for number in os.listdir(folder):
            try:
                names.append(os.readlink(f"{folder}/{number}"))
            except FileNotFoundError:
                pass
        return names

    def socket_count(self) -> int:
        """Of the network; those on which a supervisor is told something come and go, and Windows' loops have some of
        their own that are never connected."""
        if settings.WINDOWS:
            return sum(self.tcp_states().values())
        local = {line.split()[6] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
        return sum(name.startswith("socket:") and name[8:-1] not in local for name in self.descriptors())

    def tcp_states(self) -> Sockets:
        return tcp_states({name[8:-1] for name in self.descriptors() if name.startswith("socket:[")})

    def _status(self, name: str, path: str = "status") -> int:
        text = Path(f"/proc/{self.pid}/{path}").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])

    def rss(self) -> int:
        """KiB."""
        return self._status("VmRSS")

    def rss_peak(self) -> int:
        """KiB."""
        return self._status("VmHWM")

    def wakeups(self) -> int:
        """How often its threads went to wait, together."""
        return sum(self._status("voluntary_ctxt_switches", f"task/{task}/status")
                   for task in os.listdir(f"/proc/{self.pid}/task"))

    def cpu_seconds(self) -> float:
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    # -- the end

    def signal(self, number: int) -> None:
        word = settings.WORDS.get(number) if settings.WINDOWS else None
        if word:
            self.tell(word)
        else:
            self.process.send_signal(number)

    @property
    def windows_pid(self) -> int:
        """By which it is known to programs of Windows."""
        return int(self.wait_for_log(r"started: .*, process (\d+)")[1])

    def tell(self, word: str) -> subprocess.CompletedProcess:
        """What signals are elsewhere."""
        done = run_program("--tell", word, "--pid", str(self.windows_pid))
        assert done.returncode == 0, done.stderr
        return done

    def wait(self, within: float = TIMEOUT) -> int:
        """The exit code; kills it if it does not end."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {within} s; log:\n{self.log_text()}") from None
        self._reader.join(PROMPT)
        return code

    def kill(self) -> None:
        self.killed = True
        self.process.kill()
        self.process.wait()

    def assert_nothing_left(self) -> None:
        """Once clients and origins are gone, so are its sockets."""
        try:
            wait_until(lambda: self.socket_count() == self.sockets_at_start, "sockets as at the start", PROMPT)
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.socket_count()} instead of {self.sockets_at_start}, "
                                 f"TCP states {dict(self.tcp_states())}") from None
        assert self.tcp_states()["08"] == 0, f"CLOSE-WAIT: {self.tcp_states()}"

    def assert_clean_log(self) -> None:
        if match := BAD_OUTPUT.search(self.log_text()):
            raise AssertionError(f"{match[0]} in the output:\n{self.log_text()}")

    def finish(self, leftovers: bool = True) -> None:
        """The signal to stop and exit code 0, unless it was stopped already; no report of a sanitizer or a fault."""
        try:
            if self.process.poll() is None:
                if leftovers:
                    self.assert_nothing_left()
                self.signal(settings.STOP)
                code = self.wait(PROMPT)
                assert code == 0, f"exit code {code} after {settings.STOP.name}; log:\n{self.log_text()}"
            elif not self.killed:
                code = self.process.returncode
                self._reader.join(PROMPT)
                assert code == 0, f"ended with exit code {code}; log:\n{self.log_text()}"
            self._reader.join(PROMPT)
            self.assert_clean_log()
        finally:
            if self.process.poll() is None:
                self.kill()
            self._reader.join(PROMPT)
            self.process.stderr.close()


class ProxyTest(unittest.TestCase):
    """A test with a proxy of its own. What it opens through these methods is closed before the proxy is examined."""

    options: tuple[str, ...] = ()
    maxDiff = 4000
    _authority: Authority | None = None

    def __init__(self, method: str = "runTest"):
        super().__init__(method)
        self._clients: list[Wire] = []
        self._origins: list[Origin] = []
        self._proxies: list[Proxy] = []
        self.addCleanup(self._end)  # the first one to be added is the last one to run

    def setUp(self) -> None:
        self.proxy = self.start_proxy(*self.options)

    def _end(self) -> None:
        """Clients end first, then origins, then the proxies are examined, then the origins' scripts; whatever fails."""
        steps = [client.close for client in self._clients]
        steps += [origin.close for origin in self._origins]
        steps += [proxy.finish for proxy in self._proxies]
        steps += [origin.check for origin in self._origins]
        with contextlib.ExitStack() as stack:
            for step in reversed(steps):
                stack.callback(step)

    def start_proxy(self, *options: str, **more) -> Proxy:
        proxy = Proxy(*options, **more)
        self._proxies.append(proxy)
        return proxy

    def _origin(self, made):
        self._origins.append(made)
        return made

    def origin(self, script, **options) -> Origin:
        return self._origin(Origin(script, **options))

    def site(self, answer, **options) -> Site:
        return self._origin(Site(answer, **options))

    @classmethod
    def authority(cls) -> Authority:
        if ProxyTest._authority is None:
            ProxyTest._authority = Authority()
            unittest.addModuleCleanup(ProxyTest._authority.close)
        return ProxyTest._authority

    def client(self, proxy: Proxy | None = None, **options) -> Wire:
        proxy = proxy or self.proxy
        wire = Wire.connect(proxy.host, proxy.port, **options)
        self._clients.append(wire)
        return wire

    def ask(self, data: bytes, method: str = "GET", proxy: Proxy | None = None) -> Message:
        """One request on a connection of its own."""
        with self.client(proxy) as client:
            client.send(data)
            return client.read_response(method)

    def get(self, url: str, proxy: Proxy | None = None) -> Message:
        return self.ask(request("GET", url), proxy=proxy)

    def tunnel(self, authority: str, early: bytes = b"", proxy: Proxy | None = None, **options) -> Wire:
        """A client whose tunnel stands."""
        client = self.client(proxy, **options)
        client.send(request("CONNECT", authority) + early)
        answer = client.read_response("CONNECT")
        self.assertEqual(answer.status, 200, answer)
        for name in ("Content-Length", "Transfer-Encoding"):
            self.assertIsNone(answer.get(name), "the answer to a CONNECT has no body")
        return client

    def assert_serves(self, proxy: Proxy | None = None) -> None:
        """A new client is served by a new origin, plainly and through a tunnel."""
        site = self.site(lambda asked: response("ok"))
        self.assertEqual(self.get(site.url(), proxy).body, b"ok")
        with self.tunnel(site.authority, request("GET", "/", host="a"), proxy) as client:
            self.assertEqual(client.read_response().body, b"ok")

    def assert_own_answer(self, answer: Message, *statuses: int) -> None:
        """An error page of the proxy itself."""
        self.assertIn(answer.status, statuses, answer.body)
        self.assertRegex(answer.get("Content-Type") or "", r"^text/plain\b")
        self.assertEqual(answer.framing, "length")
        self.assertTrue(answer.body.startswith(b"%d " % answer.status), answer.body)

    def run_curl(self, *arguments: str, proxy: Proxy | None = None, through: bool = True,
                 data: bytes | None = None) -> subprocess.CompletedProcess:
        command = ["curl", "-sS", "--max-time", str(int(TIMEOUT * 4)), "--noproxy", ""]
        if through:
            command += ["-x", f"http://{(proxy or self.proxy).address}"]
        return subprocess.run([*command, *arguments], input=data, capture_output=True, env=environment())

    def curl(self, *arguments: str, **options) -> bytes:
        done = self.run_curl(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def folder(self) -> Path:
        made = tempfile.TemporaryDirectory(prefix="co_wq_e2e_")
        self.addCleanup(made.cleanup)
        return Path(made.name)


def run_program(*arguments: str, within: float = TIMEOUT, folder: Path | None = None) -> subprocess.CompletedProcess:
    """The program with nothing but these arguments, until it ends by itself; folder: where relative paths begin."""
    return subprocess.run([*settings.COMMAND, *arguments], capture_output=True, text=True, env=environment(),
                          timeout=within, cwd=folder)
