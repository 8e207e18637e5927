"""The server's half of a WebSocket (RFC 6455): the handshake and an echo of whole messages."""
import base64
import hashlib
import struct

from wire import Malformed, Message, Wire

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def frame(kind: int, data: bytes) -> bytes:
    size = len(data)
    if size < 126:
        head = struct.pack(">BB", 0x80 | kind, size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", 0x80 | kind, 126, size)
    else:
        head = struct.pack(">BBQ", 0x80 | kind, 127, size)
    return head + data


def read_frame(wire: Wire) -> tuple[bool, int, bytes]:
    """Whether it is the last of its message, its kind and its data, unmasked."""
    first, second = wire.read_exactly(2)
    if first & 0x70 or not second & 0x80:
        raise Malformed("a frame with reserved bits, or one of a client without a mask")
    size = second & 0x7f
    if size == 126:
        size = struct.unpack(">H", wire.read_exactly(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", wire.read_exactly(8))[0]
    mask = wire.read_exactly(4)
    data = wire.read_exactly(size)
    length = len(data)
    repeated = (mask * (length // 4 + 1))[:length]
    plain = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
    return bool(first & 0x80), first & 0x0f, plain.to_bytes(length, "big")


def serve_echo(wire: Wire, asked: Message) -> None:
    """Echoes until the client says close, and ends as section 7 asks for."""
    key = asked.get("Sec-WebSocket-Key")
    if not key or (asked.get("Upgrade") or "").lower() != "websocket":
        raise Malformed("no handshake of a WebSocket")
    wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n")
    kind, pieces = 0, []
    while True:
        last, code, data = read_frame(wire)
        if code == CLOSE:
            wire.send(frame(CLOSE, data[:2]))
            return
        if code == PING:
            wire.send(frame(PONG, data))
            continue
        if code == PONG:
            continue
        kind = code or kind
        pieces.append(data)
        if last:
            wire.send(frame(kind, b"".join(pieces)))
            pieces = []
