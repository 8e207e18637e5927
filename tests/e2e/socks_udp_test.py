"""UDP ASSOCIATE: datagrams there and back, from the client alone, only to and from whom it has sent to, bounded."""
import json
import signal
import socket
import threading
import unittest

from harness import ProxyTest
from origins import echo
from settings import PROMPT, TIMEOUT
from socks import (FAILED, GRANTED, NO_COMMAND, UDP_ASSOCIATE, SocksTest, as_name, datagram, read_datagram, read_reply5,
                   request4, request5)
from wire import wait_quietly, wait_until


class Echo:
    """Sends each datagram back to where it came from, and keeps what came."""

    def __init__(self, test: ProxyTest, host: str = "127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = host, self.socket.getsockname()[1]
        self.came: list[tuple[bytes, tuple]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        test.addCleanup(self.close)

    def _run(self) -> None:
        while True:
            data, peer = self.socket.recvfrom(65536)
            if peer[1] == self.port:
                return
            self.came.append((data, peer))
            self.socket.sendto(data, peer)

    def close(self) -> None:
        self.socket.sendto(b"", (self.host, self.port))
        self._thread.join()
        self.socket.close()


class UdpTest(SocksTest):
    def setUp(self) -> None:
        super().setUp()
        self.control, self.relay = self.associate()
        self.udp = self.datagram_socket()

    def say(self, host: str, port: int, payload: bytes, fragment: int = 0) -> None:
        self.udp.sendto(datagram(host, port, payload, fragment), self.relay)

    def hear(self) -> tuple[str, int, bytes]:
        data, peer = self.udp.recvfrom(65536)
        self.assertEqual(peer, self.relay)
        return read_datagram(data)

    def assert_carries(self, to: Echo, payload: bytes = b"are you there") -> None:
        """And nothing that was sent before has come."""
        self.say(to.host, to.port, payload)
        self.assertEqual(self.hear(), (to.host, to.port, payload))


class Carrying(UdpTest):
    def test_there_and_back(self):
        self.assertEqual(self.relay[0], "127.0.0.1")
        server = Echo(self)
        for payload in (b"x", b"", bytes(range(256)) * 5, b"y" * 60_000):
            with self.subTest(len(payload)):
                self.assert_carries(server, payload)

    def test_over_ipv6(self):
        self.assert_carries(Echo(self, "::1"))

    def test_by_name_and_by_a_numeric_name(self):
        server = Echo(self)
        for name in ("localhost", "LOCALHOST", "127.0.0.1"):
            for number in range(3):
                payload = f"{name} {number}".encode()
                self.udp.sendto(b"\0\0\0" + as_name(name, server.port) + payload, self.relay)
                self.assertEqual(self.hear(), ("127.0.0.1", server.port, payload))

    def test_a_name_nobody_has_is_dropped(self):
        for name in ("no-such-host.invalid", "x" * 70, "a b"):
            self.udp.sendto(b"\0\0\0" + as_name(name, 53) + b"lost", self.relay)
        self.assert_carries(Echo(self))

    def test_several_peers_answer_under_their_addresses(self):
        servers = [Echo(self) for _ in range(5)] + [Echo(self, "::1")]
        for server in servers:
            self.say(server.host, server.port, b"%d" % server.port)
        heard = {self.hear() for _ in servers}
        self.assertEqual(heard, {(one.host, one.port, b"%d" % one.port) for one in servers})

    def test_bursts(self):
        server = Echo(self)
        for burst in range(50):
            sent = {b"%d %d" % (burst, number) for number in range(20)}
            for payload in sent:
                self.say(server.host, server.port, payload)
            self.assertEqual({self.hear()[2] for _ in sent}, sent)

    def test_what_is_no_datagram_of_ours_is_dropped(self):
        server = Echo(self)
        good = datagram(server.host, server.port, b"x")
        for bad in (b"", b"\0\0\0", good[:-2], b"\1" + good[1:], b"\0\1" + good[2:], good[:2] + b"\1" + good[3:],
                    good[:3] + b"\2" + good[4:], datagram(server.host, 0, b"x"), b"\0\0\0\3\0\0\1x"):
            self.udp.sendto(bad, self.relay)
        self.say(server.host, server.port, b"a fragment", fragment=1)
        self.assert_carries(server)
        self.assertEqual([data for data, _ in server.came], [b"are you there"])

    def test_groups_and_nobody_are_not_sent_to(self):
        group = self.datagram_socket("0.0.0.0")
        port = group.getsockname()[1]
        for host in ("224.0.0.1", "255.255.255.255", "0.0.0.0", "::", "ff02::1"):
            self.say(host, port, b"x")
        self.assert_carries(Echo(self))
        group.setblocking(False)
        with self.assertRaises(BlockingIOError):
            group.recv(100)


class Strangers(UdpTest):
    def test_another_host_and_another_port_are_not_heard(self):
        server = Echo(self)
        stranger = self.datagram_socket("127.0.0.2")
        stranger.sendto(datagram(server.host, server.port, b"stranger"), self.relay)
        self.assert_carries(server, b"first")
        neighbour = self.datagram_socket()
        neighbour.sendto(datagram(server.host, server.port, b"neighbour"), self.relay)
        stranger.sendto(datagram(server.host, server.port, b"stranger again"), self.relay)
        self.assert_carries(server, b"second")
        self.assertEqual([data for data, _ in server.came], [b"first", b"second"])

    def test_a_port_that_was_announced_is_the_only_one(self):
        server = Echo(self)
        mine, other = self.datagram_socket(), self.datagram_socket()
        control = self.greeted()
        control.send(request5("127.0.0.1", mine.getsockname()[1], UDP_ASSOCIATE))
        self.relay = read_reply5(control)[1:]
        other.sendto(datagram(server.host, server.port, b"other"), self.relay)
        self.udp = mine
        self.assert_carries(server)
        self.assertEqual([data for data, _ in server.came], [b"are you there"])

    def test_whoever_was_not_sent_to_may_not_answer(self):
        server = Echo(self)
        self.assert_carries(server)
        outside = server.came[0][1]
        for host in ("127.0.0.1", "127.0.0.2"):
            self.datagram_socket(host).sendto(b"unasked", ("127.0.0.1", outside[1]))
        self.assert_carries(server, b"again")

    def test_an_unreachable_peer_does_not_end_it(self):
        closed = self.datagram_socket()
        port = closed.getsockname()[1]
        closed.close()
        for _ in range(3):
            self.say("127.0.0.1", port, b"x")
        self.assert_carries(Echo(self))


class Lifetime(UdpTest):
    def assert_over(self) -> None:
        wait_until(lambda: self.proxy.socket_count() == self.proxy.sockets_at_start, "its sockets are closed", PROMPT)

    def test_ends_with_its_connection(self):
        self.assert_carries(Echo(self))
        self.control.close()
        self.assert_over()

    def test_ends_when_its_connection_is_reset_or_half_closed(self):
        self.control.reset()
        self.assert_over()
        control, _ = self.associate()
        control.half_close()
        self.assertEqual(control.ended(), "eof")
        self.assert_over()

    def test_what_is_said_on_its_connection_does_not_matter(self):
        self.control.send(b"x" * 100_000)
        self.assert_carries(Echo(self))

    def test_many_come_and_go(self):
        server = Echo(self)
        for number in range(60):
            control, self.relay = self.associate()
            self.udp = self.datagram_socket()
            self.assert_carries(server, b"%d" % number)
            control.close()
        self.control.close()
        self.assert_over()


class Bounds(SocksTest):
    options = ("--udp-per-client", "2", "--idle-timeout-ms", "1500")

    def test_more_than_a_client_may_have_are_refused(self):
        first, _ = self.associate()
        self.associate()
        self.assertEqual(self.refusal5(request5("0.0.0.0", 0, UDP_ASSOCIATE)), FAILED)
        first.close()

        def again() -> bool:
            client = self.greeted()
            client.send(request5("0.0.0.0", 0, UDP_ASSOCIATE))
            return read_reply5(client)[0] == GRANTED

        wait_until(again, "there is room for another", PROMPT)

    def test_an_idle_one_ends(self):
        control, _ = self.associate()
        self.assertTrue(control.silent_for(0.7))
        self.assertEqual(control.ended(), "eof")

    def test_datagrams_keep_it(self):
        control, relay = self.associate()
        server, udp = Echo(self), self.datagram_socket()
        for number in range(6):
            udp.sendto(datagram(server.host, server.port, b"%d" % number), relay)
            self.assertEqual(read_datagram(udp.recv(100))[2], b"%d" % number)
            wait_quietly(0.5)
        self.assertTrue(control.silent_for(0))

    def test_version_4_has_none(self):
        with self.client() as client:
            client.send(request4("127.0.0.1", 1, UDP_ASSOCIATE))
            self.assertEqual(client.read_exactly(2), b"\0\x5b")


class Off(SocksTest):
    options = ("--udp-per-client", "0")

    def test_it_is_not_served(self):
        self.assertEqual(self.refusal5(request5("0.0.0.0", 0, UDP_ASSOCIATE)), NO_COMMAND)
        with self.tunnel5("127.0.0.1", self.origin(echo).port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")


class Drain(UdpTest):
    options = ("--drain-timeout-ms", "1500")

    def test_it_has_its_time_and_no_more(self):
        server = Echo(self)
        self.assert_carries(server)
        self.proxy.signal(signal.SIGTERM)
        self.proxy.wait_for_log("draining")
        self.assert_carries(server, b"still there")
        self.assertEqual(self.proxy.wait(TIMEOUT), 0)
        self.assertIn(self.control.drained(), ("eof", "reset"))


class Record(SocksTest):
    """Of an association in the access log."""

    def setUp(self) -> None:
        self.path = self.folder() / "access.log"

    def start(self, *options: str) -> None:
        self.proxy = self.start_proxy("--access-log", str(self.path), "--access-log-format", "json", *options)
        self.control, self.relay = self.associate()
        self.udp = self.datagram_socket()

    def say(self, host: str, port: int, payload: bytes) -> None:
        self.udp.sendto(datagram(host, port, payload), self.relay)

    def carry(self, to: Echo, payload: bytes) -> None:
        self.say(to.host, to.port, payload)
        self.assertEqual(read_datagram(self.udp.recv(65536))[2], payload)

    def assert_record(self, **wanted) -> dict:
        wait_until(lambda: self.path.read_bytes().endswith(b"\n"), "a record")
        found = json.loads(self.path.read_text())
        self.assertEqual({key: found[key] for key in wanted}, wanted, found)
        return found

    def test_at_the_end_of_its_connection(self):
        self.start()
        self.carry(Echo(self), b"12345")
        self.control.close()
        self.assert_record(method="UDP", decision="allow", bytes_up=5, bytes_down=15, end_up="eof", end_down="eof",
                           detail=None)

    def test_when_the_proxy_ends_it(self):
        self.start("--drain-timeout-ms", "200")
        echo_there = Echo(self)
        for _ in range(3):
            self.carry(echo_there, b"12345")
        self.proxy.signal(signal.SIGTERM)
        self.assertEqual(self.proxy.wait(PROMPT), 0)
        self.assert_record(bytes_up=15, bytes_down=45, end_up="shutdown", end_down="shutdown")

    def test_when_nothing_comes_any_more(self):
        self.start("--idle-timeout-ms", "300")
        self.carry(Echo(self), b"1")
        self.assert_record(bytes_up=1, bytes_down=11, end_up="idle", end_down="idle")

    def test_what_is_denied(self):
        allowed = Echo(self)
        self.start("--sandbox", "--allow", "127.0.0.1", "--allow-address", "127.0.0.0/8", "--connect-ports",
                   str(allowed.port))
        self.carry(allowed, b"12345")
        self.say("127.0.0.1", 9, b"no")
        self.say("other.test", allowed.port, b"no")
        self.carry(allowed, b"6")  # they were before it
        self.control.close()
        rule = 'connect_ports of policy "command line" (command line)'
        found = self.assert_record(decision="deny", rule=rule, status=200, bytes_up=6, bytes_down=26)
        self.assertIn("UDP 127.0.0.1:9: by rule connect_ports", found["detail"])

    def test_groups_are_denied_by_no_rule_of_the_operators(self):
        self.start("--connect-ports", "1-65535")
        there = Echo(self)
        self.say("239.1.2.3", there.port, b"no")
        self.carry(there, b"1")
        self.control.close()
        self.assert_record(decision="deny", rule="destination (built in)", bytes_up=1)


class OverIpv6(SocksTest):
    options = ("--host", "::1")

    def test_the_relay_is_where_the_client_arrived(self):
        control, relay = self.associate()
        self.assertEqual(relay[0], "::1")
        udp = self.datagram_socket("::1")
        for host in ("127.0.0.1", "::1"):
            server = Echo(self, host)
            udp.sendto(datagram(host, server.port, b"x"), relay)
            self.assertEqual(read_datagram(udp.recv(100)), (host, server.port, b"x"))
        control.close()


if __name__ == "__main__":
    unittest.main()
