"""One cell's world: a proxy of its own, origins whose names only that proxy resolves, a folder, and what must hold."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from columns import Column
from front import Front
from harness import Proxy
from origins import Authority
from settings import PROMPT, TIMEOUT
from sites import BODIES, PLAIN_NAME, SECURE_NAME, Web, digest
from wire import wait_until

# The names are found under localhost, which the proxy is told to search first. Nobody else is.
RESOLVES = ("env", "LOCALDOMAIN=localhost", "RES_OPTIONS=ndots:9 timeout:1 attempts:1")

_authority: list[Authority] = []


def authority() -> Authority:
    """The test CA of this run."""
    if not _authority:
        _authority.append(Authority(f"DNS:{PLAIN_NAME},DNS:{SECURE_NAME},DNS:localhost,IP:127.0.0.1"))
    return _authority[0]


def forget_authority() -> None:
    while _authority:
        _authority.pop().close()


def socket_inode(local: tuple, remote: tuple) -> str:
    """The inode of the IPv4 socket with these ends, as its owner sees them; "" if there is none."""
    def spelled(end: tuple) -> str:
        return f"{int.from_bytes(socket.inet_aton(end[0]), 'little'):08X}:{end[1]:04X}"

    wanted = [spelled(local), spelled(remote)]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[1:3] == wanted:
            return words[9]
    return ""


class Lane:
    """Clients reach the proxy by url; plain and secure are the origins. Leaving it checks that all ended cleanly."""

    def __init__(self, column: Column, reactor: str, through_proxy: bool = True):
        self.column, self.reactor, self.through_proxy = column, reactor, through_proxy
        self.ends = contextlib.ExitStack()
        self.sites: list[Web] = []

    def __enter__(self) -> "Lane":
        with contextlib.ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="co_wq_acceptance_")))
            self.home = self.folder / "home"
            self.home.mkdir()
            self.ca = authority().certificate
            self.uploads = self.folder / "upload"
            self.uploads.write_bytes(BODIES["/large"][:2_500_001])
            self.proxy = Proxy(*(option.format(ca=authority().folder) for option in self.column.options),
                               "--verbose", reactor=self.reactor, under=RESOLVES)
            stack.callback(self._drop_proxy)
            self.url = f"{self.column.scheme}://{self._address(stack)}"
            self.git_root, self.file_root = self.folder / "repositories", self.folder / "files"
            self.git_root.mkdir()
            self.file_root.mkdir()
            shared = {"git": self.git_root, "files": self.file_root}
            self.plain = Web(PLAIN_NAME, self._is_proxy, **shared)
            stack.callback(self.plain.close)
            self.secure = Web(SECURE_NAME, self._is_proxy, tls=authority().server(), **shared)
            stack.callback(self.secure.close)
            self.sites = [self.plain, self.secure]
            self.ends = stack.pop_all()
        return self

    def _address(self, stack: contextlib.ExitStack) -> str:
        if self.column.front:
            tls = authority().server() if self.column.front == "tls" else None
            made = Front(self.proxy.port, tls, self.column.fault)
            stack.callback(made.close)
            return f"localhost:{made.port}"
        if not self.column.listening:
            return self.proxy.address
        port = self.proxy.wait_for_log(self.column.listening)[1]
        return f"localhost:{port}"  # a name of the certificate

    def _drop_proxy(self) -> None:
        """Of a cell that failed; the others have seen it end."""
        if self.proxy.process.poll() is None:
            self.proxy.kill()
        self.proxy.wait()
        self.proxy.process.stderr.close()

    def _is_proxy(self, peer: tuple, ours: tuple) -> bool:
        """Whether the other end of an origin's connection is a descriptor of the proxy's process."""
        inode = socket_inode(peer, ours)
        return bool(inode) and f"socket:[{inode}]" in self.proxy.descriptors()

    def __exit__(self, kind, value, trace) -> None:
        with self.ends:
            if kind is None:
                self.check_use()
                wait_until(lambda: self.secure.live == 0, "the tunnels of a client that is gone have ended", PROMPT)
            self.plain.close()
            self.secure.close()
            if kind is None:
                self.proxy.finish()
                self.plain.check()
                self.secure.check()

    # -- what every cell must have

    def check_use(self) -> None:
        """Every request came from the proxy: through it with Via, or in a tunnel that its log names."""
        assert self.plain.seen or self.secure.seen, "no request reached an origin"
        strangers = self.plain.strangers + self.secure.strangers
        assert not strangers, f"{strangers}: requests that the proxy did not send reached an origin"
        for site in (self.plain, self.secure):
            for asked in site.seen:
                if asked.via:
                    assert site is self.plain, f"{asked}: Via inside TLS"
                elif self.column.scheme != "socks5h":
                    self.proxy.wait_for_log(rf"CONNECT {re.escape(site.authority)} -> 200")

    @staticmethod
    def check_names() -> None:
        """That the origins' names mean nothing to anybody but the proxy."""
        for name in (PLAIN_NAME, SECURE_NAME):
            try:
                socket.getaddrinfo(name, 80)
            except OSError:
                continue
            raise AssertionError(f"{name} resolves here: a client could go past the proxy unnoticed")

    # -- running a client

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the caller's: no proxy, no certificates, no configuration."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                "TMPDIR": str(self.folder)} | more

    def proxies(self) -> dict[str, str]:
        """The variables by which most clients are told, in both spellings."""
        if not self.through_proxy:
            return {}
        names = ("http_proxy", "https_proxy", "all_proxy")
        return {spelled: self.url for name in names for spelled in (name, name.upper())}

    def run(self, *command: str | Path, variables: dict[str, str] | None = None, data: bytes | None = None,
            within: float = 3 * TIMEOUT, cwd: Path | None = None) -> subprocess.CompletedProcess:
        """The client until it ends by itself, with 0. Its whole process group is gone afterwards."""
        process = subprocess.Popen([str(word) for word in command], env=self.environment(**(variables or {})),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=cwd or self.folder, start_new_session=True)
        timer = threading.Timer(within, lambda: end_group(process))
        timer.start()
        try:
            out, error = process.communicate(data)
        finally:
            timer.cancel()
            end_group(process)
        if process.returncode != 0:
            said, log = error.decode(errors="replace")[-3000:], self.proxy.log_text()[-2000:]
            raise AssertionError(f"{Path(command[0]).name} ended with {process.returncode}:\n{said}\nproxy:\n{log}")
        return subprocess.CompletedProcess(command, 0, out, error)


def end_group(process: subprocess.Popen) -> None:
    """Whatever the process started in its own session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def same(got: bytes, expected: bytes, what: str) -> None:
    assert digest(got) == digest(expected), (f"{what}: {len(got)} bytes with SHA-256 {digest(got)}, not the "
                                             f"{len(expected)} with {digest(expected)} that were sent")


def found(program: str) -> str:
    return shutil.which(program) or ""
