"""The origins of the matrix: resources, uploads, a WebSocket echo, git, files. They record who asked for what."""
import gzip
import hashlib
import ssl
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import websocket
from backend import serve_git
from origins import Origin, bulk
from wire import Message, Wire, chunked, response

PLAIN_NAME, SECURE_NAME = "plain.acceptance.test", "secure.acceptance.test"
PAGES = Path(__file__).resolve().parent / "pages"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def picture() -> bytes:
    """A PNG of 3 by 2 pixels."""
    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"\0" + b"\x40\x80\xc0" * 3
    return (b"\x89PNG\r\n\x1a\n" + block(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
            + block(b"IDAT", zlib.compress(rows * 2)) + block(b"IEND", b""))


LARGE = b"".join(bulk(3 << 20))
TEXT = b"".join(b"line %d of a text that packs well\n" % number for number in range(3000))
PACKED = gzip.compress(TEXT, mtime=0)
PIECES = [LARGE[at:at + size] for at, size in ((0, 1), (1, 4095), (9000, 70000), (100, 300000), (5, 17))]

# What a GET of the path brings, after all encodings are taken off.
BODIES: dict[str, bytes] = {
    "/small": b"a small resource\n",
    "/empty": b"",
    "/chunked": b"".join(PIECES),
    "/large": LARGE,
    "/gzip": TEXT,
    "/until-the-end": LARGE[:200_000],
}
RAW_GZIP = PACKED  # of /gzip, to a client that does not unpack

FILES = {"/page": ("text/html; charset=utf-8", "page.html"), "/page.js": ("text/javascript", "page.js"),
         "/page.css": ("text/css", "page.css")}


@dataclass
class Seen:
    """One request, as the origin got it."""
    method: str
    target: str
    via: list[str]
    length: int
    framing: str


class Web(Origin):
    """An HTTP/1.1 server that keeps connections; asker says whose a connection is: True is the proxy's."""

    def __init__(self, name: str, asker: Callable[[tuple, tuple], bool], tls: ssl.SSLContext | None = None,
                 git: Path | None = None, files: Path | None = None):
        self.name, self.asker, self.git, self.files = name, asker, git, files
        self.seen: list[Seen] = []
        self.strangers: list[tuple] = []  # peers that are not the proxy
        super().__init__(self._serve, tls=tls)
        self.authority = f"{name}:{self.port}"

    def _serve(self, wire: Wire) -> None:
        peer = wire.socket.getpeername()
        ours = self.asker(peer, wire.socket.getsockname())
        while (head := wire.read_head()) is not None:
            if not ours:
                self.strangers.append(peer)
                raise AssertionError(f"{head.start!r} came from {peer}, which is no connection of the proxy")
            if (head.get("Expect") or "").lower() == "100-continue":
                wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            asked = wire.read_body(head)
            self.seen.append(Seen(asked.method, asked.target, asked.all("Via"), len(asked.body), asked.framing))
            if asked.target == "/echo" and "upgrade" in asked.options():
                websocket.serve_echo(wire, asked)
                return
            wire.send(self.answer(asked))
            if "close" in asked.options() or asked.target == "/until-the-end":
                if self.tls:
                    wire.socket.unwrap()  # without it a client must take the body for cut off
                return

    def answer(self, asked: Message) -> bytes:
        path = asked.target.split("?")[0]
        if asked.method in ("PUT", "POST") and path == "/upload":
            text = f"{digest(asked.body)} {len(asked.body)}"
            return response(text, fields=[("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
        if path.startswith("/git/") and self.git:
            return serve_git(self.git, asked)
        if asked.method not in ("GET", "HEAD"):
            return response("no", status="405 Method Not Allowed")
        return self.resource(path, asked.method == "HEAD")

    def resource(self, path: str, head_only: bool) -> bytes:
        plain = [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")]
        if path == "/chunked":
            fields = "".join(f"{name}: {value}\r\n" for name, value in plain)
            head = f"HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n".encode()
            return head if head_only else head + chunked(*PIECES)
        if path == "/until-the-end":
            return b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + (b"" if head_only else BODIES[path])
        status = "200 OK"
        if path == "/gzip":
            body, fields = PACKED, [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")]
        elif path in BODIES:
            body, fields = BODIES[path], plain
        elif path == "/picture.png":
            body, fields = picture(), [("Content-Type", "image/png")]
        elif path in FILES:
            body, fields = (PAGES / FILES[path][1]).read_bytes(), [("Content-Type", FILES[path][0])]
        elif path.startswith("/files/") and self.files and (found := self.files / path[7:]).is_file():
            body, fields = found.read_bytes(), plain
        else:
            body, fields, status = b"no such resource\n", plain, "404 Not Found"
        if head_only:
            return response(b"", status=status, fields=fields, length=len(body))
        return response(body, status=status, fields=fields)
