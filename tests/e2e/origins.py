"""Scripted servers: what the proxy talks to. Every accepted connection runs the script in its own thread."""
import contextlib
import hashlib
import socket
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Callable, Iterator

from settings import MIB, PROMPT, TIMEOUT
from wire import Message, Truncated, Wire, wait_until

Script = Callable[[Wire], None]


class Origin:
    """A connection that fails or ends too early ends its script silently; other exceptions are kept for check()."""

    def __init__(self, script: Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None,
                 receive_buffer: int = 0):
        self.script = script
        self.tls = tls
        self.failures: list[BaseException] = []
        self.wires: list[Wire] = []
        self.accepted = 0
        self.live = 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind((host, 0))
        self.listener.listen(4096)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.authority = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def url(self, path: str = "/") -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}{path}"

    def _accept(self) -> None:
        while True:
            try:
                made, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._run, args=(made,), daemon=True)
            with self._lock:
                self.accepted += 1
                self.live += 1
                self._threads = [each for each in self._threads if each.is_alive()] + [thread]
                thread.start()

    def _run(self, made: socket.socket) -> None:
        wire = None
        try:
            made.settimeout(TIMEOUT)
            wire = Wire(self.tls.wrap_socket(made, server_side=True) if self.tls else made)
            with self._lock:
                self.wires.append(wire)
            self.script(wire)
        except (OSError, Truncated):
            pass
        except BaseException as failure:  # shown by check() in the test's own thread
            self.failures.append(failure)
        finally:
            (wire or made).close()
            with self._lock:
                if wire in self.wires:
                    self.wires.remove(wire)
                self.live -= 1

    def wait_for(self, connections: int, within: float = TIMEOUT) -> None:
        wait_until(lambda: self.accepted >= connections, f"{connections} connections at the origin", within)

    def wait_until_free(self, connections: int = 1, within: float = PROMPT) -> None:
        """Until at least so many came, and all of them are over."""
        wait_until(lambda: self.accepted >= connections and self.live == 0,
                   f"{connections} connections to the origin came and ended", within)

    def close(self) -> None:
        if self.listener.fileno() < 0:
            return
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._acceptor.join()
        with self._lock:
            wires, threads = list(self.wires), list(self._threads)
        for wire in wires:
            wire.wake()
        for thread in threads:
            thread.join(TIMEOUT)

    def check(self) -> None:
        if self.failures:
            raise AssertionError(f"the origin's script failed: {self.failures[0]!r}") from self.failures[0]


class Site(Origin):
    """An HTTP/1.1 server: reads whole requests, keeps them in requests, sends what answer makes of each."""

    def __init__(self, answer: Callable[[Message], bytes], **options):
        self.requests: list[Message] = []
        self.answer = answer
        super().__init__(self._serve, **options)

    def _serve(self, wire: Wire) -> None:
        while (asked := wire.read_request()) is not None:
            self.requests.append(asked)
            wire.send(self.answer(asked))
            if "close" in asked.options():
                return


# -- scripts for tunnels


def echo(wire: Wire) -> None:
    while data := wire.read_some():
        wire.send(data)


def hold(wire: Wire) -> None:
    """Says nothing until the peer ends."""
    while wire.read_some():
        pass


# -- nobody


@contextlib.contextmanager
def refusing_port():
    """A port on which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def black_hole():
    """A port that answers no SYN: a listener whose backlog is full."""
    with contextlib.ExitStack() as all_of_them:
        listener = all_of_them.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(64):
            filler = all_of_them.enter_context(socket.socket())
            filler.settimeout(0.3)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]


# -- bulk


BLOCK = b"".join(hashlib.sha256(b"co_wq %d" % number).digest() for number in range(MIB // 32))


def bulk(size: int) -> Iterator[bytes]:
    """The same bytes for the same size, no two MiB alike."""
    for number in range(0, size, MIB):
        mark = b"%016d" % number
        yield (mark + BLOCK[16:])[:size - number]


def bulk_digest(size: int) -> str:
    total = hashlib.sha256()
    for piece in bulk(size):
        total.update(piece)
    return total.hexdigest()


def digest_of(wire: Wire, size: int | None = None) -> tuple[str, int]:
    """SHA-256 and length of the next size bytes, or of all until the end."""
    total, count = hashlib.sha256(), 0
    while size is None or count < size:
        data = wire.read_some(1 << 18 if size is None else min(1 << 18, size - count))
        if not data:
            break
        total.update(data)
        count += len(data)
    return total.hexdigest(), count


# -- TLS


class Authority:
    """A certificate authority of our own, made at run time, with a certificate for localhost and loopback, or names."""

    def __init__(self, names: str = "DNS:localhost,IP:127.0.0.1,IP:::1"):
        self._folder = tempfile.TemporaryDirectory(prefix="co_wq_ca_")
        self.folder = Path(self._folder.name)
        self.certificate = self.folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=co_wq test authority", "-keyout", "ca.key", "-out", "ca.pem",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
        self.issue("site", "localhost", f"subjectAltName={names}")

    def issue(self, file: str, name: str, extensions: str) -> tuple[Path, Path]:
        """A certificate with this common name, and its key."""
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-subj", f"/CN={name}", "-keyout", f"{file}.key", "-out", f"{file}.csr")
        (self.folder / "extensions").write_text(extensions + "\n")
        self._openssl("x509", "-req", "-in", f"{file}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", "extensions", "-out", f"{file}.pem")
        return self.folder / f"{file}.pem", self.folder / f"{file}.key"

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE)

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "site.pem", self.folder / "site.key")
        return context

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def close(self) -> None:
        self._folder.cleanup()
