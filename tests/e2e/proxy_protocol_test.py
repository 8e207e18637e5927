"""The PROXY protocol: taken from trusted sources alone, before HTTP and SOCKS; sent on tunnels; HAProxy on both sides.

Who the client is shows in the header that the proxy itself puts before a tunnel (--send-proxy-protocol).
"""
import contextlib
import socket
import struct
import subprocess
import time
import unittest

from origins import echo
from settings import PROMPT
from socks import GRANTED, GREETING, SocksTest, read_reply5, request4, request5
from wire import Wire, request, response, wait_quietly, wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = bytes([203, 0, 113, 7, 203, 0, 113, 9]) + struct.pack("!HH", 4711, 3128)
V1 = b"PROXY TCP4 203.0.113.7 203.0.113.9 4711 3128\r\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack("!H", 12) + ADDRESSES
LOCAL = SIGNATURE + b"\x20\0\0\0"


def v2(command: int, kind: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(rest)) + rest


def read_v2(wire: Wire) -> tuple[str, int, str, int]:
    head = wire.read_exactly(16)
    assert head[:12] == SIGNATURE and head[12:14] == b"\x21\x11", head
    rest = wire.read_exactly(struct.unpack("!H", head[14:])[0])
    source_port, port = struct.unpack("!HH", rest[8:12])
    return socket.inet_ntoa(rest[:4]), source_port, socket.inet_ntoa(rest[4:8]), port


def tell_header(wire: Wire) -> None:
    """Says what the PROXY header of a tunnel was, and echoes the rest."""
    wire.send(wire.read_until(b"\r\n"))
    echo(wire)


class HeaderTest(SocksTest):
    options = ("--proxy-protocol-from", "127.0.0.1", "--proxy-protocol-from", "::1", "--send-proxy-protocol", "v1",
               "--header-timeout-ms", "1000",
               # whoever comes with a header is a stranger to the rules
               "--open", "--allow-address", "127.0.0.0/8", "--allow-address", "::1/128", "--connect-ports", "1-65535")

    def client_from(self, host: str) -> Wire:
        made = socket.create_connection((self.proxy.host, self.proxy.port), PROMPT, (host, 0))
        self._clients.append(Wire(made))
        return self._clients[-1]

    def origin_hears(self, client: Wire, authority: str) -> bytes:
        client.send(request("CONNECT", authority) + b"x")
        self.assertEqual(client.read_response("CONNECT").status, 200)
        line = client.read_until(b"\r\n")
        self.assertEqual(client.read_exactly(1), b"x")
        return line


class Trusted(HeaderTest):
    def test_its_client_is_the_client(self):
        origin = self.origin(tell_header)
        for header in (V1, V2, v2(0x21, 0x11, ADDRESSES + b"\1\0\2h2\4\0\0\xea\0\3abc")):
            with self.subTest(header), self.client() as client:
                client.send(header)
                self.assertEqual(self.origin_hears(client, origin.authority), V1)

    def test_ipv6(self):
        origin = self.origin(tell_header)
        for line in (b"PROXY TCP6 2001:db8::7 2001:db8::9 4711 3128\r\n",):
            with self.client() as client:
                client.send(line)
                self.assertEqual(self.origin_hears(client, origin.authority), line)

    def test_whoever_names_nobody_is_the_client(self):
        origin = self.origin(tell_header)
        for header in (LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN whatever\r\n", v2(0x21, 0, b""),
                       v2(0x20, 0x11, ADDRESSES)):
            with self.subTest(header), self.client() as client:
                client.send(header)
                here, port = client.socket.getsockname()
                self.assertEqual(self.origin_hears(client, origin.authority),
                                 f"PROXY TCP4 {here} 127.0.0.1 {port} {self.proxy.port}\r\n".encode())

    def test_before_requests_and_socks(self):
        site, origin = self.site(lambda asked: response("ok")), self.origin(tell_header)
        for header in (V1, V2):
            with self.client() as client:
                for _ in range(3):
                    client.send(header + request("GET", site.url()))
                    self.assertEqual(client.read_response().body, b"ok")
                    header = b""
        for text, size in ((GREETING + request5("127.0.0.1", origin.port), 12),
                           (request4("127.0.0.1", origin.port), 8)):
            with self.client() as client:
                client.send(V2 + text + b"early")
                client.read_exactly(size)
                self.assertEqual(client.read_until(b"\r\n"), V1)
                self.assertEqual(client.read_exactly(5), b"early")

    def test_byte_by_byte_and_without_waiting_for_more(self):
        origin = self.origin(tell_header)
        for header in (V1, V2):
            with self.client() as client:
                for byte in header + GREETING:
                    client.send(bytes([byte]))
                self.assertEqual(client.read_exactly(2), b"\5\0")
                client.send(request5("127.0.0.1", origin.port))
                self.assertEqual(read_reply5(client)[0], GRANTED)
                self.assertEqual(client.read_until(b"\r\n"), V1)

    def test_without_a_header_it_is_left(self):
        for text in (request("GET", "http://127.0.0.1:9/"), GREETING, b"PROXY TCP4 1.2.3.4\r\n" + V1,
                     V2[:12] + b"x" * 50, v2(0x21, 0x11, ADDRESSES + b"\1\0\5h2"),
                     v2(0x21, 0x11, ADDRESSES + b"\3\0\4\0\0\0\0"), b"PROXY UNKNOWN " + b"x" * 200):
            with self.subTest(text), self.client() as client:
                client.send(text)
                self.assertIn(client.ended(), ("eof", "reset"))
        self.proxy.wait_for_log(r"warning 127\.0\.0\.1:\d+ is trusted to send a PROXY header and does not: ")
        self.proxy.wait_for_log("CRC32c is wrong")

    def test_a_second_header_is_nobodys(self):
        with self.client() as client:
            client.send(V1 + V1)
            self.assert_own_answer(client.read_response(), 400)

    def test_a_crc32c_is_checked_and_taken(self):
        origin = self.origin(tell_header)
        made = self.start_proxy("--send-proxy-protocol", "v2")
        taken = []

        def keep(wire: Wire) -> None:
            taken.append(wire.read_exactly(16 + 12 + 7))

        keeper = self.origin(keep)
        with self.tunnel(keeper.authority, proxy=made):
            wait_until(lambda: taken, "a header")
        with self.client() as client:
            client.send(taken[0])
            self.assertRegex(self.origin_hears(client, origin.authority), rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 ")

    def test_whoever_stops_in_the_middle_is_left(self):
        started = time.monotonic()
        clients = []
        for header in (V1, V2):
            for size in range(len(header)):
                client = self.client()
                client.send(header[:size])
                clients.append(client)
        for client in clients:
            self.assertEqual(client.ended(), "eof")
        self.assertGreater(time.monotonic() - started, 0.9)


class Spoofed(HeaderTest):
    def test_from_anybody_else_it_is_refused(self):
        for header in (V1, V2, LOCAL, b"PROXY UNKNOWN\r\n"):
            for text in (request("GET", "http://127.0.0.1:9/"), GREETING):
                with self.subTest(header), self.client_from("127.0.0.2") as client:
                    client.send(header + text)
                    self.assert_own_answer(client.read_response(), 400)
        with self.client_from("127.0.0.2") as client:
            for byte in V2:
                try:
                    client.send(bytes([byte]))
                except OSError:
                    break
                wait_quietly(0.002)
            self.assert_own_answer(client.read_response(), 400)

    def test_anybody_else_needs_none(self):
        origin, site = self.origin(tell_header), self.site(lambda asked: response("ok"))
        with self.client_from("127.0.0.2") as client:
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            port = client.socket.getsockname()[1]
            self.assertEqual(self.origin_hears(client, origin.authority),
                             f"PROXY TCP4 127.0.0.2 127.0.0.1 {port} {self.proxy.port}\r\n".encode())

    def test_without_the_option_nobody_is_trusted(self):
        plain = self.start_proxy()
        for header in (V1, V2):
            self.assert_own_answer(self.ask(header + request("GET", "http://127.0.0.1:9/"), proxy=plain), 400)


HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 20s
    timeout server 20s
listen one
    bind fd@{descriptor} {bind}
    server next 127.0.0.1:{port} {server}
"""


class BesideHaproxy(HeaderTest):
    @contextlib.contextmanager
    def haproxy(self, port: int, bind: str = "", server: str = ""):
        """The port where it listens."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(16)
            config = self.folder() / "haproxy.cfg"
            config.write_text(HAPROXY.format(descriptor=listener.fileno(), bind=bind, port=port, server=server))
            running = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(config)], pass_fds=[listener.fileno()],
                                       stderr=subprocess.DEVNULL)
            try:
                yield listener.getsockname()[1]
            finally:
                running.terminate()
                running.wait(PROMPT)

    def test_it_says_who_its_client_is(self):
        origin = self.origin(tell_header)
        for server in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"):
            with self.subTest(server), self.haproxy(self.proxy.port, server=server) as port:
                client = Wire.connect("127.0.0.1", port)
                with client:
                    here = client.socket.getsockname()[1]
                    self.assertEqual(self.origin_hears(client, origin.authority),
                                     f"PROXY TCP4 127.0.0.1 127.0.0.1 {here} {port}\r\n".encode())

    def test_it_understands_ours(self):
        for version in ("v1", "v2"):
            heard = []

            def serve(wire: Wire) -> None:
                heard.append(read_v2(wire))
                echo(wire)

            origin, proxy = self.origin(serve), self.start_proxy("--send-proxy-protocol", version)
            with self.subTest(version), self.haproxy(origin.port, "accept-proxy", "send-proxy-v2") as port:
                for through in (lambda: self.tunnel(f"127.0.0.1:{port}", b"x", proxy),
                                lambda: self.tunnel5("127.0.0.1", port, b"x", proxy)):
                    client = through()
                    self.assertEqual(client.read_exactly(1), b"x")
                    self.assertEqual(heard.pop(), (*client.socket.getsockname(), "127.0.0.1", proxy.port))
                    client.close()


if __name__ == "__main__":
    unittest.main()
