"""Bytes a second: of a connection, of a client's and of a user's together, in both directions, of bodies and tunnels.

Times are bounded below only: a busy machine makes everything slower, and nothing faster.
"""
import contextlib
import threading
import time
import unittest

from harness import Proxy
from origins import echo
from policy_test import ALICE, basic
from settings import TIMEOUT
from socks import SocksTest
from wire import Wire, request, response

KIB, MIB = 1 << 10, 1 << 20


def least(size: int, rate: int, piece: int = 16 * KIB) -> float:
    """A twentieth of a second comes at once, and what was read last is not waited for."""
    return (size - piece) / rate - 0.06


class PaceTest(SocksTest):
    def setUp(self) -> None:
        pass

    def sender(self, size: int):
        """Sends that many bytes as soon as somebody comes, and reads to the end."""
        def send(wire: Wire) -> None:
            wire.send(b"x" * size)
            wire.half_close()
            wire.read_to_end()
        return self.origin(send)

    def counter(self, counts: list[int]):
        def count(wire: Wire) -> None:
            counts.append(len(wire.read_to_end()))
            wire.half_close()
        return self.origin(count)

    def assert_paced(self, what, size: int, rate: int, piece: int = 16 * KIB) -> None:
        started = time.monotonic()
        what()
        took = time.monotonic() - started
        self.assertGreater(took, least(size, rate, piece), f"{size} bytes at {rate} a second")

    def download(self, origin, proxy: Proxy, size: int) -> None:
        with self.tunnel(origin.authority, proxy=proxy) as client:
            self.assertEqual(len(client.read_to_end()), size)


class Small(PaceTest):
    """Bodies that come with one read, or with the head, are paced as well."""

    def test_answers(self):
        size, count = 12 * KIB, 30
        site = self.site(lambda asked: response("x" * size))
        for how in ("connection", "client"):
            proxy = self.start_proxy(f"--bytes-per-second-per-{how}", "512KiB")

            def ask(proxy=proxy) -> None:
                with self.client(proxy) as client:
                    for _ in range(count):
                        client.send(request("GET", site.url()))
                        self.assertEqual(len(client.read_response().body), size)

            self.assert_paced(ask, size * count, 512 * KIB)

    def test_uploads(self):
        size, count = 12 * KIB, 30
        site = self.site(lambda asked: response("ok"))
        proxy = self.start_proxy("--bytes-per-second-per-connection", "512KiB")

        def ask() -> None:
            with self.client(proxy) as client:
                for _ in range(count):
                    client.send(request("POST", site.url(), body=b"x" * size))
                    self.assertEqual(client.read_response().body, b"ok")

        self.assert_paced(ask, size * count, 512 * KIB)

    def test_bytes_behind_a_connect(self):
        counts = []
        proxy = self.start_proxy("--bytes-per-second-per-client", "64KiB")
        origin = self.counter(counts)

        def ask() -> None:
            for _ in range(5):
                with self.tunnel(origin.authority, b"x" * 12 * KIB, proxy=proxy) as client:
                    client.half_close()
                    self.assertEqual(client.ended(TIMEOUT), "eof")

        self.assert_paced(ask, 48 * KIB, 64 * KIB)


class Tunnels(PaceTest):
    def test_down(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "512KiB")
        self.assert_paced(lambda: self.download(self.sender(400 * KIB), proxy, 400 * KIB), 400 * KIB, 512 * KIB)

    def test_up(self):
        proxy, counts = self.start_proxy("--bytes-per-second-per-connection", "512KiB"), []

        def upload() -> None:
            with self.tunnel(self.counter(counts).authority, proxy=proxy) as client:
                client.send(b"x" * 400 * KIB)
                client.half_close()
                self.assertEqual(client.ended(TIMEOUT), "eof")

        self.assert_paced(upload, 400 * KIB, 512 * KIB)
        self.assertEqual(counts, [400 * KIB])

    def test_a_pace_at_which_it_is_spliced(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "20MiB")
        size = 12 * MIB
        self.assert_paced(lambda: self.download(self.sender(size), proxy, size), size, 20 * MIB, 256 * KIB)

    def test_both_directions_have_the_whole_of_it(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "512KiB")
        with self.tunnel(self.origin(echo).authority, proxy=proxy) as client:
            got = []
            reader = threading.Thread(target=lambda: got.append(len(client.read_exactly(256 * KIB))))
            reader.start()
            client.send(b"x" * 256 * KIB)
            reader.join(TIMEOUT)
            self.assertEqual(got, [256 * KIB])

    def test_who_waits_for_its_pace_is_not_idle(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "4KiB", "--idle-timeout-ms", "1500")
        self.assert_paced(lambda: self.download(self.sender(20 * KIB), proxy, 20 * KIB), 20 * KIB, 4 * KIB)

    def test_a_tunnel_that_waits_ends_with_the_proxy(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "1KiB", "--drain-timeout-ms", "200")
        client = self.tunnel(self.sender(64 * KIB).authority, proxy=proxy)
        client.read_exactly(1024)
        proxy.process.terminate()
        self.assertEqual(proxy.wait(), 0)
        self.assertEqual(client.drained(), "reset")


class Shared(PaceTest):
    def at_once(self, *work) -> None:
        threads = [threading.Thread(target=one) for one in work]
        for each in threads:
            each.start()
        for each in threads:
            each.join(TIMEOUT)

    def test_a_client_shares_its_pace_among_its_connections(self):
        proxy = self.start_proxy("--bytes-per-second-per-client", "512KiB")
        origin, size = self.sender(128 * KIB), 128 * KIB
        one = lambda: self.download(origin, proxy, size)  # noqa: E731
        self.assert_paced(lambda: self.at_once(one, one, one), 3 * size, 512 * KIB, 3 * 26 * KIB)

    def test_a_user_shares_it_whatever_it_speaks(self):
        users = self.folder() / "users"
        users.write_text(ALICE)
        proxy = self.start_proxy("--users", str(users), "--connect-ports", "1-65535", "--bytes-per-second-per-user",
                                 "256KiB")
        size = 128 * KIB
        site, origin = self.site(lambda asked: response(b"x" * size)), self.sender(size)

        def by_tunnel() -> None:
            with self.client(proxy) as client:
                client.send(request("CONNECT", origin.authority, fields=[basic("alice", "secret")]))
                self.assertEqual(client.read_response("CONNECT").status, 200)
                self.assertEqual(len(client.read_to_end()), size)

        def by_request() -> None:
            answer = self.ask(request("GET", site.url(), fields=[basic("alice", "secret")]), proxy=proxy)
            self.assertEqual(len(answer.body), size)

        self.assert_paced(lambda: self.at_once(by_tunnel, by_request), 2 * size, 256 * KIB, 2 * 16 * KIB)


class Bodies(PaceTest):
    def test_answers(self):
        proxy, size = self.start_proxy("--bytes-per-second-per-connection", "512KiB"), 400 * KIB
        site = self.site(lambda asked: response(b"x" * size))
        with self.client(proxy) as client:
            for _ in range(2):
                def ask() -> None:
                    client.send(request("GET", site.url()))
                    self.assertEqual(len(client.read_response().body), size)

                self.assert_paced(ask, size, 512 * KIB, 26 * KIB)

    def test_uploads(self):
        proxy, size = self.start_proxy("--bytes-per-second-per-connection", "512KiB"), 400 * KIB
        site = self.site(lambda asked: response(str(len(asked.body))))

        def upload() -> None:
            answer = self.ask(request("POST", site.url(), body=b"x" * size), proxy=proxy)
            self.assertEqual(answer.body, str(size).encode())

        self.assert_paced(upload, size, 512 * KIB, 32 * KIB)

    def test_an_answer_that_waits_for_its_pace_is_not_idle(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "8KiB", "--idle-timeout-ms", "1500")
        size = 24 * KIB
        site = self.site(lambda asked: response(b"x" * size))
        self.assert_paced(lambda: self.assertEqual(len(self.get(site.url(), proxy).body), size), size, 8 * KIB)

    def test_a_client_that_leaves_meanwhile_is_let_go(self):
        proxy = self.start_proxy("--bytes-per-second-per-connection", "1KiB")
        site = self.site(lambda asked: response(b"x" * 100 * KIB))
        client = self.client(proxy)
        client.send(request("GET", site.url()))
        with contextlib.suppress(OSError):
            client.read_exactly(200)
        client.reset()
        site.wait_until_free()


if __name__ == "__main__":
    unittest.main()
