"""SOCKS under the rules: whatever HTTP may not, SOCKS may not, with names and addresses, tunnels and datagrams."""
import unittest

from harness import run_program
from origins import echo
from socks import (GRANTED, NOT_ALLOWED, UDP_ASSOCIATE, SocksTest, as_name, datagram, read_datagram, read_reply5,
                   request4, request5)
from wire import response, wait_quietly

LOGIN = b"\1\5alice\6secret"
SECRET = ("$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDe"
          "hy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1")  # openssl passwd -6 -salt saltsalt secret


class Rules(SocksTest):
    def setUp(self) -> None:
        pass

    def assert_refused(self, proxy, request: bytes) -> None:
        with self.greeted(proxy) as client:
            client.send(request)
            self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)
            self.assertEqual(client.ended(), "eof")

    def test_a_sandbox_lets_nothing_out_that_is_not_allowed(self):
        proxy = self.start_proxy("--sandbox", "--allow", "allowed.test")
        origin = self.origin(echo)
        for host in ("127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
                     "localhost", "other.test"):
            with self.subTest(host):
                self.assert_refused(proxy, request5(host, origin.port))
                self.assert_refused(proxy, b"\5\1\0" + as_name(host, 443))
        with self.client(proxy) as client:
            client.send(request4("127.0.0.1", origin.port))
            self.assertEqual(client.read_exactly(8)[:2], b"\0\x5b")
        self.assertEqual(origin.accepted, 0)
        proxy.wait_for_log("denied by rule")

    def test_a_name_that_is_allowed_does_not_lead_inside(self):
        """The guard looks at the address, after the name."""
        proxy = self.start_proxy("--sandbox", "--allow", "localhost", "--connect-ports", "1-65535")
        origin = self.origin(echo)
        self.assert_refused(proxy, request5("localhost", origin.port))
        self.assertEqual(origin.accepted, 0)

    def test_ports_are_those_of_tunnels(self):
        proxy = self.start_proxy("--sandbox", "--allow", "127.0.0.1", "--allow-address", "127.0.0.0/8",
                                 "--connect-ports", "443")
        origin = self.origin(echo)
        self.assert_refused(proxy, request5("127.0.0.1", origin.port))
        opened = self.start_proxy("--sandbox", "--allow", "127.0.0.1", "--allow-address", "127.0.0.0/8",
                                  "--connect-ports", str(origin.port))
        with self.tunnel5("127.0.0.1", origin.port, b"x", proxy=opened) as client:
            self.assertEqual(client.read_exactly(1), b"x")

    def test_the_proxy_itself_is_nowhere_to_go(self):
        proxy = self.start_proxy("--connect-ports", "1-65535")
        self.assert_refused(proxy, request5("127.0.0.1", proxy.port))

    def test_who_may_go_nowhere_gets_no_association(self):
        proxy = self.start_proxy("--allow-client", "10.0.0.0/8")
        with self.greeted(proxy) as client:
            client.send(request5("0.0.0.0", 0, UDP_ASSOCIATE))
            self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)

    def test_a_client_that_a_header_introduces_is_a_stranger(self):
        """However near the one that says so is."""
        done = run_program("--port", "0", "--proxy-protocol-from", "127.0.0.1")
        self.assertEqual(done.returncode, 2, done.stderr)
        proxy = self.start_proxy("--proxy-protocol-from", "127.0.0.1", "--open")
        origin = self.origin(echo)
        for whence in ("203.0.113.9", "127.0.0.1"):
            with self.client(proxy) as client:
                client.send(f"PROXY TCP4 {whence} 127.0.0.1 1 2\r\n".encode())
                client.send(b"\5\1\0" + request5("127.0.0.1", origin.port))
                self.assertEqual(client.read_exactly(2), b"\5\0")
                self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)
        self.assertEqual(origin.accepted, 0)

    def test_datagrams_obey(self):
        closed = self.start_proxy("--sandbox", "--allow", "allowed.test")
        target = self.datagram_socket()
        control, relay = self.associate(closed)
        client = self.datagram_socket()
        for host in ("127.0.0.1", "localhost"):
            client.sendto(datagram(host, target.getsockname()[1], b"x"), relay)
        wait_quietly(0.3)
        target.setblocking(False)
        with self.assertRaises(BlockingIOError):
            target.recv(10)
        control.close()
        target.settimeout(5)
        opened = self.start_proxy("--sandbox", "--allow", "127.0.0.1", "--allow-address", "127.0.0.0/8",
                                  "--connect-ports", "1-65535")
        control, relay = self.associate(opened)
        client = self.datagram_socket()
        client.sendto(datagram("127.0.0.1", target.getsockname()[1], b"x"), relay)
        data, whence = target.recvfrom(10)
        self.assertEqual(data, b"x")
        target.sendto(b"answer", whence)
        self.assertEqual(read_datagram(client.recv(100))[2], b"answer")
        control.close()


class Users(SocksTest):
    def setUp(self) -> None:
        users = self.folder() / "users"
        users.write_text(f"alice:{SECRET}\n")
        self.proxy = self.start_proxy("--users", str(users), "--connect-ports", "1-65535")
        self.target = self.origin(echo)

    def test_the_right_password_opens_a_tunnel(self):
        for _ in range(2):  # the second time it is remembered
            with self.client() as client:
                client.send(b"\5\2\0\2")
                self.assertEqual(client.read_exactly(2), b"\5\2")
                client.send(LOGIN)
                self.assertEqual(client.read_exactly(2), b"\1\0")
                client.send(request5("127.0.0.1", self.target.port) + b"x")
                self.assertEqual(read_reply5(client)[0], GRANTED)
                self.assertEqual(client.read_exactly(1), b"x")

    def test_all_in_one_segment(self):
        with self.client() as client:
            client.send(b"\5\1\2" + LOGIN + request5("127.0.0.1", self.target.port) + b"early")
            self.assertEqual(client.read_exactly(4), b"\5\2\1\0")
            self.assertEqual(read_reply5(client)[0], GRANTED)
            self.assertEqual(client.read_exactly(5), b"early")

    def test_a_wrong_one_is_the_end(self):
        for login in (b"\1\5alice\6secreT", b"\1\3bob\6secret", b"\1\5alice\1x", b"\5\5alice\6secret"):
            with self.subTest(login), self.client() as client:
                client.send(b"\5\1\2")
                self.assertEqual(client.read_exactly(2), b"\5\2")
                client.send(login)
                self.assertNotEqual(client.read_exactly(2)[1:], b"\0")
                self.assertEqual(client.ended(), "eof")
        self.assertEqual(self.target.accepted, 0)

    def test_who_shows_none_goes_nowhere(self):
        for command in (1, UDP_ASSOCIATE):
            with self.greeted() as client:
                client.send(request5("127.0.0.1", self.target.port, command))
                self.assertEqual(read_reply5(client)[0], NOT_ALLOWED)
        with self.client() as client:
            client.send(request4("127.0.0.1", self.target.port))
            self.assertEqual(client.read_exactly(8)[:2], b"\0\x5b")
        self.assertEqual(self.target.accepted, 0)

    def test_one_that_leaves_while_its_password_is_checked(self):
        for end in ("close", "reset"):
            client = self.client()
            client.send(b"\5\1\2" + LOGIN + request5("127.0.0.1", self.target.port))
            getattr(client, end)()

    def test_curl_with_a_password(self):
        site = self.site(lambda asked: response("ok"))
        for user, good in (("alice:secret", True), ("alice:wrong", False)):
            done = self.run_curl("-x", f"socks5h://{user}@{self.proxy.address}", site.url(), through=False)
            self.assertEqual(done.stdout == b"ok", good, done.stderr)


if __name__ == "__main__":
    unittest.main()
