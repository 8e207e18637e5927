"""The ways a client can speak to the proxy: one line each, switched on by what the binary itself says and does."""
import re
import socket
from dataclasses import dataclass
from typing import Callable

from harness import Proxy, run_program
from settings import PROMPT


@dataclass(frozen=True)
class Column:
    name: str
    scheme: str  # of the proxy's URL, for clients that take one
    missing: Callable[[], str]  # why this binary cannot; empty: it can
    options: tuple[str, ...] = ()  # for the proxy, besides the usual; {ca} is the folder of the test authority
    listening: str = ""  # finds the port in the log, if it is another than the first
    front: str = ""  # what front.py puts before the binary's own port: tls or socks5
    fault: str = ""  # in which way that is wrong


_help: list[str] = []


def help_text() -> str:
    if not _help:
        done = run_program("--help")
        if done.returncode != 0:
            raise AssertionError(f"--help ended with {done.returncode}: {done.stderr}")
        _help.append(done.stdout)
    return _help[0]


def speaks_socks5() -> bool:
    """A real greeting (RFC 1928 section 3): version 5, one method, none needed."""
    proxy = Proxy(threads=1)
    try:
        with socket.create_connection((proxy.host, proxy.port), PROMPT) as client:
            client.settimeout(PROMPT)
            client.sendall(b"\x05\x01\x00")
            client.shutdown(socket.SHUT_WR)
            try:
                answer = client.recv(2)
            except OSError:
                answer = b""
    finally:
        proxy.finish(leftovers=False)
    return answer[:1] == b"\x05"


_socks: list[bool] = []


def without_socks5() -> str:
    if not _socks:
        _socks.append(speaks_socks5())
    if re.search(r"\bsocks", help_text().split("\n\n")[0], re.IGNORECASE) and not _socks[0]:
        raise AssertionError("the binary's --help says that it speaks SOCKS, but it answers no SOCKS5 greeting")
    return "" if _socks[0] else "the binary does not answer a SOCKS5 greeting"


def without_tls_port() -> str:
    return "" if "--tls-port" in help_text() else "the binary has no --tls-port"


COLUMNS = (
    Column("http", "http", lambda: ""),
    Column("https", "https", without_tls_port, listening=r"listening on \S+:(\d+) .*TLS",
           options=("--tls-port", "0", "--tls-certificate", "{ca}/site.pem", "--tls-key", "{ca}/site.key")),
    Column("socks5", "socks5h", without_socks5),
)

# For those that a binary lacks: what shows that the clients' cells work.
STAND_INS = {
    "https": Column("https", "https", lambda: "", front="tls"),
    "socks5": Column("socks5", "socks5h", lambda: "", front="socks5"),
}
