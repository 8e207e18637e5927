"""Runs co_probe, its origin and co_http_proxy; servers that are broken on purpose."""
import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Callable

PROBE = os.environ.get("CO_WQ_PROBE", "build/release/bin/co_probe")
PROXY = os.environ.get("CO_WQ_PROXY", "build/release/bin/co_http_proxy")
REACTOR = os.environ.get("CO_WQ_REACTOR", "auto")
TIMEOUT = 120
BAD_OUTPUT = re.compile(r"Sanitizer|: runtime error: |co_wq: fault:|terminate called|Assertion .* failed")


def environment() -> dict[str, str]:
    made = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
        made[name] = made.get(name, "") + ":exitcode=86"
    return made


class Run:
    """co_probe run or compare; report is what --json has written, if it was."""

    def __init__(self, *words: str, descriptors: int | None = None):
        self.folder = tempfile.TemporaryDirectory()
        self.json = Path(self.folder.name) / "report.json"
        self.html = Path(self.folder.name) / "report.html"
        limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        command = [PROBE, *words, "--reactor", REACTOR, "--json", str(self.json), "--html", str(self.html)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment(), preexec_fn=limit or None)

    def wait(self) -> "Run":
        with self.folder:
            try:
                self.out, self.err = self.process.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
                raise AssertionError("co_probe did not end") from None
            self.code = self.process.returncode
            self.report = json.loads(self.json.read_text()) if self.json.exists() and self.json.read_text() else None
            self.page = self.html.read_text() if self.html.exists() else ""
        assert not BAD_OUTPUT.search(self.out + self.err), self.out + self.err
        return self

    @property
    def figures(self) -> dict:
        assert self.report, f"no report; exit code {self.code}:\n{self.out}\n{self.err}"
        return self.report["runs"][0]


def run(*words: str, seconds: float = 0.6, **rest) -> Run:
    return Run("run", *words, "--duration", str(seconds), "--warmup", "0.1", **rest).wait()


class Server:
    """A program of ours that listens until it is stopped."""

    def __init__(self, *command: str, pattern: str, stream: str):
        self.process = subprocess.Popen([*command, "--reactor", REACTOR], stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.lines: list[str] = []
        source = getattr(self.process, stream)
        while not (self.lines and re.search(pattern, self.lines[-1])):
            line = source.readline()
            assert line, f"{command} ended: {self.process.stderr.read()}"
            self.lines.append(line.rstrip("\n"))
        self.rest: list[str] = []
        self._readers = [threading.Thread(target=lambda s=s: self.rest.extend(s), daemon=True)
                         for s in (self.process.stdout, self.process.stderr)]
        for reader in self._readers:
            reader.start()

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        killed = self.process.poll() is not None
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        for reader in self._readers:
            reader.join(TIMEOUT)
        self.process.stdout.close()
        self.process.stderr.close()
        assert killed or code == 0, f"exit code {code}: {self.rest}"
        assert not BAD_OUTPUT.search("".join(self.rest)), "".join(self.rest)


class Origin(Server):
    def __init__(self, *options: str):
        super().__init__(PROBE, "origin", *options, pattern="^source ", stream="stdout")
        self.addresses = dict(line.split(" ") for line in self.lines)

    def url(self, path: str) -> str:
        scheme = "https" if "https" in self.addresses else "http"
        return f"{scheme}://{self.addresses[scheme]}{path}"

    def address(self, name: str) -> tuple[str, int]:
        host, _, port = self.addresses[name].rpartition(":")
        return host, int(port)


class Proxy(Server):
    def __init__(self, *options: str):
        super().__init__(PROXY, "--port", "0", "--threads", "1", *options, pattern="listening on", stream="stderr")
        self.port = int(re.search(r"listening on \S+:(\d+)", self.lines[-1])[1])
        self.url = f"http://127.0.0.1:{self.port}"


class Case(unittest.TestCase):
    """With an origin, one of TLS, and a proxy, for all its tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.ca = str(Path(cls.folder.name) / "ca.pem")
        cls.origin, cls.secure, cls.proxy = Origin(), Origin("--tls", "--ca-out", cls.ca), Proxy()
        for server in (cls.origin, cls.secure, cls.proxy):
            cls.addClassCleanup(server.stop)

    def good(self, done: Run) -> dict:
        self.assertEqual(done.code, 0, f"{done.out}\n{done.err}")
        self.assertEqual(done.figures["errors"], 0)
        self.assertGreater(done.figures["answers"], 0)
        self.assertIn("</html>", done.page)
        return done.figures

    def bad(self, done: Run, *kinds: str) -> dict:
        """Errors of one of these kinds, and of no others."""
        self.assertEqual(done.code, 1, f"{done.out}\n{done.err}")
        seen = done.figures["errors_by_kind"]
        self.assertGreater(done.figures["errors"], 0, done.out)
        self.assertLessEqual(set(seen), set(kinds), done.out)
        for kind in seen:
            self.assertIn(kind, done.out)
        return done.figures


class Scripted:
    """A server of the test's: talk(socket) for each connection, on a thread of its own."""

    def __init__(self, talk: Callable[[socket.socket], None]):
        self.talk = talk
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.clients: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.closed = False
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.closed:
                client, _ = self.listener.accept()
                with self.lock:
                    self.clients.add(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.talk(client)
        with self.lock:
            self.clients.discard(client)
        client.close()

    def end_all(self) -> None:
        with self.lock:
            for client in self.clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.end_all()
        self.acceptor.join(TIMEOUT)


def read_head(client: socket.socket) -> bytes:
    """A request's head; empty at the end."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = client.recv(4096)
        if not piece:
            return b""
        got += piece
    return got


def relay(one: socket.socket, other: socket.socket) -> None:
    """Both ways until one ends badly or both have ended."""
    def carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=carry, args=(other, one), daemon=True)
    thread.start()
    carry(one, other)
    thread.join(TIMEOUT)
