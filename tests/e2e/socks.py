"""What a SOCKS client and its UDP datagrams say, and tests that say it."""
import ipaddress
import socket
import struct

from harness import Proxy, ProxyTest
from settings import TIMEOUT
from wire import Wire

CONNECT, BIND, UDP_ASSOCIATE = 1, 2, 3
GRANTED, FAILED, NOT_ALLOWED, NO_NETWORK, NO_HOST, REFUSED, TOO_LATE, NO_COMMAND, NO_ADDRESS_TYPE = range(9)
GREETING = b"\5\1\0"


def address(host: str, port: int) -> bytes:
    """ATYP, address and port; a host that is no address goes as a name."""
    try:
        numeric = ipaddress.ip_address(host)
    except ValueError:
        return b"\3" + bytes([len(host)]) + host.encode() + struct.pack("!H", port)
    return (b"\1" if numeric.version == 4 else b"\4") + numeric.packed + struct.pack("!H", port)


def as_name(host: str, port: int) -> bytes:
    return b"\3" + bytes([len(host)]) + host.encode() + struct.pack("!H", port)


def request5(host: str, port: int, command: int = CONNECT) -> bytes:
    return bytes([5, command, 0]) + address(host, port)


def request4(host: str, port: int, command: int = CONNECT, user: bytes = b"me") -> bytes:
    try:
        return bytes([4, command]) + struct.pack("!H", port) + ipaddress.IPv4Address(host).packed + user + b"\0"
    except ValueError:
        return bytes([4, command]) + struct.pack("!H", port) + b"\0\0\0\7" + user + b"\0" + host.encode() + b"\0"


def read_address(wire: Wire) -> tuple[str, int]:
    kind = wire.read_exactly(1)[0]
    assert kind in (1, 4), f"address type {kind}"
    packed = wire.read_exactly(4 if kind == 1 else 16)
    return str(ipaddress.ip_address(packed)), struct.unpack("!H", wire.read_exactly(2))[0]


def read_reply5(wire: Wire) -> tuple[int, str, int]:
    version, code, reserved = wire.read_exactly(3)
    assert (version, reserved) == (5, 0), (version, reserved)
    return code, *read_address(wire)


def datagram(host: str, port: int, payload: bytes, fragment: int = 0) -> bytes:
    return bytes([0, 0, fragment]) + address(host, port) + payload


def read_datagram(data: bytes) -> tuple[str, int, bytes]:
    assert data[:3] == b"\0\0\0", data[:3]
    size = 4 if data[3] == 1 else 16
    port = struct.unpack("!H", data[4 + size:6 + size])[0]
    return str(ipaddress.ip_address(data[4:4 + size])), port, data[6 + size:]


class SocksTest(ProxyTest):
    def greeted(self, proxy: Proxy | None = None) -> Wire:
        client = self.client(proxy)
        client.send(GREETING)
        self.assertEqual(client.read_exactly(2), b"\5\0")
        return client

    def tunnel5(self, host: str, port: int, early: bytes = b"", proxy: Proxy | None = None) -> Wire:
        client = self.greeted(proxy)
        client.send(request5(host, port) + early)
        self.assertEqual(read_reply5(client)[0], GRANTED)
        return client

    def tunnel4(self, host: str, port: int, early: bytes = b"", proxy: Proxy | None = None) -> Wire:
        client = self.client(proxy)
        client.send(request4(host, port) + early)
        self.assertEqual(client.read_exactly(8), b"\0\x5a" + bytes(6))
        return client

    def refusal5(self, request: bytes) -> int:
        """The reply's code; then the connection has ended in order."""
        with self.greeted() as client:
            client.send(request)
            code, host, port = read_reply5(client)
            self.assertEqual((host, port), ("0.0.0.0", 0))
            self.assertEqual(client.ended(), "eof")
            return code

    def associate(self, proxy: Proxy | None = None) -> tuple[Wire, tuple[str, int]]:
        """The connection, and the relay's address."""
        client = self.greeted(proxy)
        client.send(request5("0.0.0.0", 0, UDP_ASSOCIATE))
        code, host, port = read_reply5(client)
        self.assertEqual(code, GRANTED)
        return client, (host, port)

    def datagram_socket(self, host: str = "127.0.0.1") -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.settimeout(TIMEOUT)
        made.bind((host, 0))
        return made
