"""One end of a TCP connection, read and written by hand; HTTP/1.1 messages parsed without any tolerance."""
import re
import select
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field

from settings import PROMPT, TIMEOUT

Fields = list[tuple[str, str]]


class Truncated(Exception):
    """The peer ended before the message did."""

    def __init__(self, received: bytes):
        super().__init__(f"ended after {len(received)} bytes: {received[-200:]!r}")
        self.received = received


class Malformed(Exception):
    """What the peer sent is no HTTP/1.1."""


def wait_quietly(seconds: float) -> None:
    """Lets time pass in which nothing is supposed to happen."""
    select.select([], [], [], seconds)


def wait_until(condition, what: str, within: float = TIMEOUT, pause: float = 0.01):
    """Returns condition() as soon as it is true."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}")
        wait_quietly(pause)
    return value


@dataclass
class Message:
    start: str
    fields: Fields
    raw_head: bytes
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    framing: str = "none"  # none, length, chunked or eof
    interim: list["Message"] = field(default_factory=list)  # 1xx that came before a final response

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def reason(self) -> str:
        return self.start.split(" ", 2)[2]

    @property
    def version(self) -> str:
        return self.start.split(" ")[0] if self.start.startswith("HTTP/") else self.start.split(" ")[2]

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    def all(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        if len(values) > 1:
            raise Malformed(f"{len(values)} fields of the name {name}")
        return values[0] if values else None

    def options(self) -> set[str]:
        return {option.strip().lower() for value in self.all("Connection") for option in value.split(",")}


def parse_fields(lines: list[bytes]) -> Fields:
    fields = []
    for line in lines:
        match = re.fullmatch(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*", line)
        if not match:
            raise Malformed(f"header line {line!r}")
        fields.append((match[1].decode(), match[2].decode("latin-1")))
    return fields


def parse_head(raw: bytes) -> Message:
    first, *lines = raw[:-4].split(b"\r\n")
    if not re.fullmatch(rb"HTTP/1\.[01] \d{3}( [^\r\n]*)?|[!-~]+ [!-~]+ HTTP/1\.[01]", first):
        raise Malformed(f"start line {first!r}")
    return Message(first.decode("latin-1"), parse_fields(lines), raw)


class Wire:
    def __init__(self, connected: socket.socket, timeout: float = TIMEOUT):
        self.socket = connected
        self.socket.settimeout(timeout)
        self.buffer = b""
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def connect(cls, host: str, port: int, receive_buffer: int = 0) -> "Wire":
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        made.settimeout(TIMEOUT)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            made.connect((host, port))
        except OSError:
            made.close()
            raise
        return cls(made)

    # -- bytes

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def read_some(self, most: int = 1 << 18) -> bytes:
        """b"" at the end."""
        if self.buffer:
            data, self.buffer = self.buffer[:most], self.buffer[most:]
            return data
        return self.socket.recv(most)

    def _fill(self) -> bool:
        data = self.socket.recv(1 << 16)
        self.buffer += data
        return bool(data)

    def read_exactly(self, count: int) -> bytes:
        pieces, missing = [], count
        while missing:
            data = self.read_some(missing)
            if not data:
                raise Truncated(b"".join(pieces))
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def read_until(self, mark: bytes) -> bytes:
        while (at := self.buffer.find(mark)) < 0:
            if not self._fill():
                raise Truncated(self.buffer)
        end = at + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def read_to_end(self) -> bytes:
        """Everything until the end of the stream; ConnectionResetError if it does not end properly."""
        pieces = []
        while data := self.read_some():
            pieces.append(data)
        return b"".join(pieces)

    def ended(self, within: float = PROMPT) -> str:
        """Waits for the end: "eof" or "reset". Data before it is a failure."""
        before = self.socket.gettimeout()
        self.socket.settimeout(within)
        try:
            data = self.read_some()
        except TimeoutError:
            raise AssertionError(f"the connection did not end within {within} s") from None
        except (ConnectionError, ssl.SSLError):
            return "reset"
        finally:
            self.socket.settimeout(before)
        if data:
            raise AssertionError(f"data instead of the end: {data[:200]!r}")
        return "eof"

    def drained(self, within: float = PROMPT) -> str:
        """Like ended(), but data before the end is thrown away."""
        before = self.socket.gettimeout()
        self.socket.settimeout(within)
        try:
            while self.read_some():
                pass
        except TimeoutError:
            raise AssertionError(f"the connection did not end within {within} s") from None
        except (ConnectionError, ssl.SSLError):
            return "reset"
        finally:
            self.socket.settimeout(before)
        return "eof"

    def silent_for(self, seconds: float) -> bool:
        """Nothing arrives, not even the end."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    # -- the end

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Ends with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def wake(self) -> None:
        """Ends whatever another thread does on it."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- messages

    def read_head(self) -> Message | None:
        """None if the stream ends before the first byte."""
        try:
            return parse_head(self.read_until(b"\r\n\r\n"))
        except Truncated as short:
            if short.received:
                raise
            return None

    def read_chunk(self) -> bytes:
        """b"" is the last one; its trailers are still to be read."""
        line = self.read_until(b"\r\n")
        match = re.fullmatch(rb"([0-9a-fA-F]{1,16})\r\n", line)
        if not match:
            raise Malformed(f"chunk size line {line!r}")
        size = int(match[1], 16)
        if not size:
            return b""
        data = self.read_exactly(size)
        if (end := self.read_exactly(2)) != b"\r\n":
            raise Malformed(f"{end!r} after a chunk")
        return data

    def read_trailers(self) -> Fields:
        lines = []
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            lines.append(line[:-2])
        return parse_fields(lines)

    def read_body(self, head: Message, otherwise: str = "none") -> Message:
        """Fills in body, trailers and framing. What the partial body was stands in Truncated.received."""
        encoding, length = head.get("Transfer-Encoding"), head.get("Content-Length")
        if encoding is not None and length is not None:
            raise Malformed("Transfer-Encoding and Content-Length")
        if encoding is not None:
            if encoding.lower() != "chunked":
                raise Malformed(f"Transfer-Encoding: {encoding}")
            head.framing, pieces = "chunked", []
            try:
                while piece := self.read_chunk():
                    pieces.append(piece)
            except Truncated as short:
                raise Truncated(b"".join(pieces) + short.received) from None
            head.body, head.trailers = b"".join(pieces), self.read_trailers()
        elif length is not None:
            head.framing = "length"
            head.body = self.read_exactly(int(length))
        elif otherwise == "eof":
            head.framing, head.body = "eof", self.read_to_end()
        return head

    def read_request(self) -> Message | None:
        """None if the peer is done."""
        head = self.read_head()
        return self.read_body(head) if head else None

    def read_response(self, method: str = "GET") -> Message:
        """The final response; the interim ones before it are in its interim."""
        interim = []
        while True:
            head = self.read_head()
            if head is None:
                raise Truncated(b"")
            if head.status >= 200 or head.status == 101:
                break
            interim.append(head)
            if len(interim) > 1000:
                raise Malformed("no end of interim responses")
        head.interim = interim
        if method == "HEAD" or head.status in (101, 204, 304) or (method == "CONNECT" and head.status < 300):
            return head
        return self.read_body(head, "eof")


def response(body: bytes | str = b"", *, status: str = "200 OK", fields: Fields = (), version: str = "1.1",
             length: int | None = None) -> bytes:
    """A response of an origin, framed by its length."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/{version} {status}", *(f"{name}: {value}" for name, value in fields),
             f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*pieces: bytes, trailers: Fields = ()) -> bytes:
    """A whole chunked body."""
    text = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return text + b"0\r\n" + b"".join(f"{name}: {value}\r\n".encode() for name, value in trailers) + b"\r\n"


def request(method: str, target: str, *, host: str | None = None, fields: Fields = (), body: bytes | None = None,
            version: str = "1.1") -> bytes:
    """A request to a proxy. Host is made from an absolute target or an authority."""
    if host is None:
        host = re.sub(r"^http://", "", target).split("/")[0].split("?")[0]
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *(f"{name}: {value}" for name, value in fields)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
