"""TLS between clients and the proxy: all protocols over it, certificates of both sides, ends that are told apart."""
import contextlib
import hashlib
import json
import random
import shutil
import signal
import socket
import ssl
import time
import unittest

import settings
from admin_test import AdminTest
from harness import Proxy, ProxyTest, run_program
from origins import Authority, black_hole, echo
from settings import PROMPT, SCALE, TIMEOUT
from socks import GRANTED, GREETING, read_reply5, request5
from wire import Wire, request, response, wait_until

COUNTS = "it counts the process's sockets, some of which Wine's server has"


class TlsTest(ProxyTest):
    def setUp(self) -> None:
        self.ca = self.authority()

    def certificate(self, *more: str) -> tuple[str, ...]:
        return ("--tls-port", "0", "--tls-certificate", str(self.ca.folder / "site.pem"), "--tls-key",
                str(self.ca.folder / "site.key"), *more)

    def start_tls(self, *options: str, **more) -> tuple[Proxy, int]:
        proxy = self.start_proxy(*self.certificate(*options), **more)
        return proxy, self.tls_port(proxy)

    @staticmethod
    def tls_port(proxy: Proxy) -> int:
        return int(proxy.wait_for_log(r"listening on \S+:(\d+) \(TLS")[1])

    def secure(self, port: int, context: ssl.SSLContext | None = None, first: bytes = b"") -> Wire:
        """A client with TLS on it; its end is only one if the proxy has said so."""
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        plain.sendall(first)
        try:
            secured = (context or self.ca.client()).wrap_socket(plain, server_hostname="localhost",
                                                                suppress_ragged_eofs=False)
        except OSError:
            plain.close()
            raise
        wire = Wire(secured)
        self._clients.append(wire)
        return wire


class Protocols(TlsTest):
    def setUp(self) -> None:
        super().setUp()
        self.proxy, self.port = self.start_tls()

    def test_requests_tunnels_and_socks_on_one_port(self):
        site = self.site(lambda asked: response("ok"))
        client = self.secure(self.port)
        for _ in range(3):
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
        client.send(request("CONNECT", site.authority) + request("GET", "/", host="a"))
        self.assertEqual(client.read_response("CONNECT").status, 200)
        self.assertEqual(client.read_response().body, b"ok")
        socks = self.secure(self.port)
        socks.send(GREETING)
        self.assertEqual(socks.read_exactly(2), b"\5\0")
        socks.send(request5("127.0.0.1", site.port))
        self.assertEqual(read_reply5(socks)[0], GRANTED)
        socks.send(request("GET", "/", host="a"))
        self.assertEqual(socks.read_response().body, b"ok")
        self.assert_serves()  # the plain port is as it was

    def test_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.ca.client()
            context.minimum_version = context.maximum_version = version
            client = self.secure(self.port, context)
            client.send(request("GET", self.site(lambda asked: response("ok")).url()))
            self.assertEqual(client.read_response().body, b"ok")

    def test_application_protocols(self):
        context = self.ca.client()
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.assertEqual(self.secure(self.port, context).socket.selected_alpn_protocol(), "http/1.1")
        context = self.ca.client()
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            self.secure(self.port, context)

    def test_an_answer_that_lasts_until_the_end_has_one(self):
        def answer(wire: Wire) -> None:
            wire.read_request()
            wire.send(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 70_000)

        client = self.secure(self.port)
        client.send(f"GET {self.origin(answer).url()} HTTP/1.0\r\n\r\n")
        answer = client.read_response()
        self.assertEqual((answer.framing, len(answer.body)), ("eof", 70_000))

    def test_a_tunnel_passes_each_end_on(self):
        def talk(wire: Wire) -> None:
            self.assertEqual(wire.read_exactly(4), b"ping")
            wire.send(b"pong" * 10_000)

        origin = self.origin(talk)
        client = self.secure(self.port)
        client.send(request("CONNECT", origin.authority) + b"ping")
        self.assertEqual(client.read_response("CONNECT").status, 200)
        self.assertEqual(client.read_exactly(40_000), b"pong" * 10_000)
        self.assertEqual(client.read_some(), b"")  # close_notify: anything else raises

    def test_a_tunnel_that_is_cut_does_not_look_whole(self):
        def cut(wire: Wire) -> None:
            wire.send(b"half of")
            wire.read_exactly(4)
            wire.reset()

        origin = self.origin(cut)
        client = self.secure(self.port)
        client.send(request("CONNECT", origin.authority))
        self.assertEqual(client.read_response("CONNECT").status, 200)
        self.assertEqual(client.read_exactly(7), b"half of")
        client.send(b"next")
        with self.assertRaises(OSError):
            self.assertEqual(client.read_some(), b"never an end")

    def test_a_client_that_is_cut_resets_its_origin(self):
        ends = []

        def wait(wire: Wire) -> None:
            wire.read_exactly(4)
            try:
                ends.append(wire.read_some())
            except OSError as reset:
                ends.append(type(reset))

        origin = self.origin(wait)
        client = self.secure(self.port)
        client.send(request("CONNECT", origin.authority) + b"ping")
        self.assertEqual(client.read_response("CONNECT").status, 200)
        socket.socket(fileno=client.socket.detach()).close()  # TCP ends, TLS has said nothing
        wait_until(lambda: ends, "the origin sees the end")
        self.assertEqual(ends, [ConnectionResetError])

    def test_curl_up_and_down(self):
        body = random.Random(1).randbytes(3_000_000)
        seen = []

        def answer(asked):
            seen.append(hashlib.sha256(asked.body).hexdigest())
            return response(body)

        for tls in (False, True):
            site = self.site(answer, tls=self.ca.server() if tls else None)
            got = self.curl("-x", f"https://localhost:{self.port}", "--proxy-cacert", str(self.ca.certificate),
                            "--cacert", str(self.ca.certificate), "--data-binary", "@-", site.url(), through=False,
                            data=body)
            self.assertEqual(got, body)
            self.assertEqual(seen.pop(), hashlib.sha256(body).hexdigest())

    def test_the_pac_file_names_the_secure_port(self):
        client = self.secure(self.port)
        client.send(f"GET /proxy.pac HTTP/1.1\r\nHost: localhost:{self.port}\r\n\r\n")
        self.assertIn(f'return "HTTPS localhost:{self.port}"'.encode(), client.read_response().body)


class BadClients(TlsTest):
    def test_what_is_no_tls_is_refused_and_harms_nobody(self):
        proxy, port = self.start_tls()
        for first in (request("GET", "http://a/"), b"\5\1\0", b"\x16\3\1\xff\xff" + b"\0" * 600,
                      b"\x16\3\1\0\5\1\0\0\1\0"):
            with Wire.connect("127.0.0.1", port) as client:
                client.send(first)
                try:
                    while client.read_some():
                        pass
                except OSError:
                    pass
        proxy.wait_for_log(r"127\.0\.0\.1:\d+: TLS: ")
        self.proxy = proxy
        self.assert_serves()

    def test_a_handshake_has_the_time_of_a_head(self):
        proxy, port = self.start_tls("--header-timeout-ms", "200")
        with Wire.connect("127.0.0.1", port) as client:
            client.send(b"\x16\3\1")
            try:
                self.assertEqual(client.read_some(), b"")
            except ConnectionResetError:
                pass
        proxy.wait_for_log("TLS: ")

    @unittest.skipIf(settings.WINDOWS, COUNTS)
    def test_a_drain_waits_for_no_handshake(self):
        proxy, port = self.start_tls("--header-timeout-ms", "600000")
        clients = [Wire.connect("127.0.0.1", port) for _ in range(3)]
        self._clients += clients
        wait_until(lambda: proxy.socket_count() >= proxy.sockets_at_start + 3, "they are accepted")
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_clients_that_leave_at_random(self):
        proxy, port = self.start_tls()
        dice = random.Random(5)
        origin = self.origin(echo)
        for _ in range(60):
            plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
            outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
            shaker = self.ca.client().wrap_bio(incoming, outgoing, server_hostname="localhost")
            steps = dice.randrange(6)
            for step in range(steps):
                try:
                    if step < 3:
                        shaker.do_handshake()
                    else:
                        shaker.write(request("CONNECT", origin.authority))
                except ssl.SSLWantReadError:
                    pass
                data = outgoing.read()
                cut = len(data) if dice.random() < 0.8 else dice.randrange(len(data) + 1)
                plain.sendall(data[:cut])
                if cut < len(data):
                    break
                if step < 2:
                    plain.settimeout(0.2)
                    try:
                        incoming.write(plain.recv(65536))
                    except OSError:
                        break
            if dice.random() < 0.5:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            plain.close()
        self.proxy = proxy
        self.assert_serves()


class Gone(AdminTest, TlsTest):
    """Clients that leave while the proxy dials an origin that does not answer: the dial is their sessions' last."""

    dial_ms = 2500 * SCALE

    def setUp(self) -> None:
        TlsTest.setUp(self)
        self.start(*self.certificate("--connect-timeout-ms", str(self.dial_ms)))
        self.port = self.tls_port(self.proxy)

    def requests(self, port: int) -> list[bytes]:
        """Each way to ask for a connection; the last is one of SOCKS."""
        authority = f"127.0.0.1:{port}"
        return [request("GET", f"http://{authority}/"), request("CONNECT", authority),
                request("POST", f"http://{authority}/", fields=[("Content-Length", "10")]) + b"half ",
                request5("127.0.0.1", port)]

    @staticmethod
    def say_end(client: Wire) -> None:
        client.socket.settimeout(0)
        with contextlib.suppress(OSError):
            client.socket.unwrap()  # close_notify; the proxy's is not waited for
        client.close()

    @staticmethod
    def cut(client: Wire) -> None:
        socket.socket(fileno=client.socket.detach()).close()  # TCP ends, TLS has said nothing

    @unittest.skipIf(settings.WINDOWS, COUNTS)
    def test_their_sessions_end_with_the_dial_at_the_latest(self):
        leaving = []
        with black_hole() as port:
            for leave in (Wire.reset, self.cut, self.say_end):
                leaving += [(leave, self.secure(self.port), text) for text in self.requests(port)]
            for _, client, text in leaving:
                if text[0] == 5:
                    client.send(GREETING)
                    self.assertEqual(client.read_exactly(2), b"\5\0")
            for _, client, text in leaving:
                client.send(text)
            dialling = self.proxy.sockets_at_start + 2 * len(leaving)
            wait_until(lambda: self.proxy.socket_count() >= dialling, "it dials for all", pause=0.001)
            started = time.monotonic()
            for leave, client, _ in leaving:
                leave(client)
            found = self.wait_for_metric("open_connections", 0)
            self.assertLess(time.monotonic() - started, self.dial_ms / 1000 + PROMPT)
            self.assertEqual(found["open_tunnels"], 0)
            self.assertEqual(json.loads(self.fetch("/tunnels").body)["tunnels"], [])
            self.proxy.assert_nothing_left()
        self.assert_serves()


class Certificates(TlsTest):
    def setUp(self) -> None:
        super().setUp()
        self.certificate_of = {}
        for name in ("alice", "bob"):
            self.certificate_of[name] = self.ca.issue(name, name, "extendedKeyUsage=clientAuth")

    def with_certificate(self, name: str) -> ssl.SSLContext:
        context = self.ca.client()
        context.load_cert_chain(*self.certificate_of[name])
        return context

    def config(self, text: str) -> str:
        file = self.folder() / "proxy.toml"
        file.write_text(text)
        return str(file)

    def test_a_client_certificate_is_demanded_and_is_a_user(self):
        site = self.site(lambda asked: response("ok"))
        log = self.folder() / "access.json"
        config = self.config(f"""
[access_log]
file = "{log}"
format = "json"
[[listeners]]
name = "secure"
address = "0.0.0.0"
port = 0
policy = "house"
[listeners.tls]
certificate = "{self.ca.folder}/site.pem"
key = "{self.ca.folder}/site.key"
client_ca = "{self.ca.certificate}"
minimum = "1.3"
[[policies]]
name = "house"
default = "deny"
allow_addresses = ["127.0.0.0/8"]
connect_ports = ["1-65535"]
[[policies.rules]]
name = "alice's"
action = "allow"
users = ["alice"]
to = ["localhost", "127.0.0.0/8"]
""")
        proxy = self.start_proxy("--config", config, port=None)
        port = self.tls_port(proxy)
        with self.assertRaises(OSError):
            client = self.secure(port)  # TLS 1.3: the client's handshake ends before ours
            client.send(request("GET", site.url()))
            client.read_response()
        for name, status in (("alice", 200), ("bob", 403)):
            client = self.secure(port, self.with_certificate(name))
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().status, status)
            client.send(request("CONNECT", site.authority))
            self.assertEqual(client.read_response("CONNECT").status, status)
            client.close()
            socks = self.secure(port, self.with_certificate(name))
            socks.send(GREETING)
            self.assertEqual(socks.read_exactly(2), b"\5\0")
            socks.send(request5("127.0.0.1", site.port))
            self.assertEqual(read_reply5(socks)[0] == GRANTED, status == 200)
            socks.close()
        old = self.with_certificate("alice")
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(ssl.SSLError):
            self.secure(port, old)
        wait_until(lambda: log.exists() and log.read_text().count("\n") >= 6, "all records are written")
        users = [json.loads(line).get("user") for line in log.read_text().splitlines()]
        self.assertEqual(sorted(set(users)), ["alice", "bob"])

    def test_a_stranger_is_refused(self):
        elsewhere = Authority()
        self.addCleanup(elsewhere.close)
        stranger = elsewhere.issue("alice", "alice", "extendedKeyUsage=clientAuth")
        proxy, port = self.start_tls("--tls-client-ca", str(self.ca.certificate))
        context = self.ca.client()
        context.load_cert_chain(*stranger)
        with self.assertRaises(OSError):
            client = self.secure(port, context)
            client.send(request("GET", "http://127.0.0.1/"))
            client.read_response()
        proxy.wait_for_log("TLS: certificate")

    def test_a_certificate_that_may_be_absent(self):
        _, port = self.start_tls("--tls-client-ca", str(self.ca.certificate), "--tls-client-optional")
        site = self.site(lambda asked: response("ok"))
        for context in (None, self.with_certificate("bob")):
            client = self.secure(port, context)
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().status, 200)

    def test_a_reload_takes_new_certificates(self):
        folder = self.folder()
        for ending in ("pem", "key"):
            shutil.copy(self.ca.folder / f"site.{ending}", folder / f"site.{ending}")
        proxy = self.start_proxy("--tls-port", "0", "--tls-certificate", str(folder / "site.pem"), "--tls-key",
                                 str(folder / "site.key"))
        port = self.tls_port(proxy)
        site = self.site(lambda asked: response("ok"))
        old = self.secure(port)
        before = old.socket.getpeercert()["serialNumber"]
        certificate, key = self.ca.issue("renewed", "localhost", "subjectAltName=DNS:localhost")
        shutil.copy(certificate, folder / "site.pem")
        proxy.signal(signal.SIGHUP)  # the key is not the new one's yet
        proxy.wait_for_log("not reloaded")
        self.assertEqual(self.secure(port).socket.getpeercert()["serialNumber"], before)
        shutil.copy(key, folder / "site.key")
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reloaded: rules")
        self.assertNotEqual(self.secure(port).socket.getpeercert()["serialNumber"], before)
        old.send(request("GET", site.url()))
        self.assertEqual(old.read_response().body, b"ok")

    def test_a_reload_does_not_open_what_a_certificate_closed(self):
        """The listener stays where it is until an upgrade, whatever address the file names now."""
        def text(address: str, more: str) -> str:
            return f"""
[[listeners]]
name = "secure"
address = "{address}"
port = 0
[listeners.tls]
certificate = "{self.ca.folder}/site.pem"
key = "{self.ca.folder}/site.key"
{more}
"""
        ca = f'client_ca = "{self.ca.certificate}"'
        file = self.config(text("0.0.0.0", ca))
        proxy = self.start_proxy("--config", file, port=None)
        port = self.tls_port(proxy)
        for wrong in ("", ca + "\nclient_optional = true"):
            with open(file, "w", encoding="utf-8") as out:
                out.write(text("127.0.0.1", wrong))
            count = proxy.log_text().count("not reloaded")
            proxy.signal(signal.SIGHUP)
            wait_until(lambda count=count: proxy.log_text().count("not reloaded") > count, "it is refused", TIMEOUT)
            self.assertIn("would serve everybody", proxy.log_text())
        with self.assertRaises(OSError):
            client = self.secure(port)
            client.send(request("GET", "http://127.0.0.1/"))
            client.read_response()

    def test_a_proxy_header_comes_before_tls(self):
        log = self.folder() / "access.json"
        proxy, port = self.start_tls("--proxy-protocol-from", "127.0.0.0/8", "--access-log", str(log),
                                     "--access-log-format", "json", "--allow", "127.0.0.0/8", "--allow-address",
                                     "127.0.0.0/8")
        site = self.site(lambda asked: response("ok"))
        client = self.secure(port, first=b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n")
        client.send(request("GET", site.url()))
        self.assertEqual(client.read_response().body, b"ok")
        wait_until(lambda: log.exists() and log.read_text().count("\n") >= 1, "the record is written")
        self.assertIn("192.0.2.7:1234", log.read_text())
        self.assertTrue(proxy.log)


class Options(TlsTest):
    def test_what_is_wrong_is_said(self):
        site, key = str(self.ca.folder / "site.pem"), str(self.ca.folder / "site.key")
        other_key = str(self.ca.folder / "ca.key")
        port = str(self.site(lambda asked: response("ok")).port)
        for options, said in (
                (("--tls-port", "0"), "name the certificate with --tls-certificate"),
                (("--tls-certificate", site), "are for --tls-port"),
                (("--tls-port", "0", "--tls-certificate", "/nowhere.pem"), "--tls-certificate /nowhere.pem: "),
                (("--tls-port", "0", "--tls-certificate", site), f"--tls-key {site}: "),
                (("--tls-port", "0", "--tls-certificate", site, "--tls-key", "/nowhere.key"), "--tls-key /nowhere.key"),
                (("--tls-port", "0", "--tls-certificate", key, "--tls-key", key), f"--tls-certificate {key}: "),
                (("--tls-port", "0", "--tls-certificate", site, "--tls-key", other_key), f"--tls-key {other_key}: "),
                (("--tls-port", "0", "--tls-certificate", site, "--tls-key", key, "--tls-client-ca", key),
                 f"--tls-client-ca {key}: "),
                (("--tls-port", "0", "--tls-certificate", site, "--tls-key", key, "--tls-client-optional"),
                 "without --tls-client-ca"),
                (("--port", port, "--tls-port", port, "--tls-certificate", site, "--tls-key", key),
                 "the port of listener")):
            with self.subTest(options=options):
                done = run_program(*options)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)

    def test_a_file_is_checked_with_line_and_column(self):
        file = self.folder() / "proxy.toml"
        file.write_text('''[[listeners]]
name = "secure"
port = 18443
[listeners.tls]
certificate = "missing.pem"
minimum = "1.1"
''')
        done = run_program("--config", str(file), "--check-config")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"proxy.toml:5:\d+: .*missing.pem: ")
        self.assertRegex(done.stderr, r"proxy.toml:6:\d+: ")


if __name__ == "__main__":
    unittest.main()
