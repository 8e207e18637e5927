"""Many tunnels that end in every way at every stage, while innocent ones go on: nobody hangs, nothing is left."""
import collections
import random
import threading
import unittest

import settings
from harness import ProxyTest
from origins import refusing_port
from settings import PROMPT, TIMEOUT
from wire import Wire, request, response, wait_quietly, wait_until

WORKERS = 8
AT_ONCE = 12  # tunnels that a worker keeps before it ends the oldest, so that numbers of descriptors are reused


def obey(wire: Wire) -> None:
    """The first byte says what this origin does."""
    order = wire.read_some(1)
    if order == b"e":  # echo
        while data := wire.read_some():
            wire.send(data)
    elif order == b"f":  # flood
        while True:
            wire.send(bytes(1 << 15))
    elif order == b"h":  # half-close, then take what comes
        wire.half_close()
        wire.drained(TIMEOUT)
    elif order == b"r":
        wire.reset()
    elif order == b"t":  # takes everything, says nothing
        wire.drained(TIMEOUT)
    elif order == b"G":  # the beginning of GET; who closed after asking may still want the answer
        wire.read_until(b"\r\n\r\n")
        wait_quietly(0.02)
        wire.send(response("late"))


class Aborts:
    """What clients do; each returns what is left to end later, or None."""

    def __init__(self, proxy, authority: str, refused: str, randomness: random.Random):
        self.proxy, self.authority, self.refused, self.random = proxy, authority, refused, randomness

    def end(self, client: Wire) -> None:
        self.random.choice((Wire.reset, Wire.close))(client)

    def connect(self) -> Wire:
        return Wire.connect(self.proxy.host, self.proxy.port)

    def tunnel(self, order: bytes, more: bytes = b"") -> Wire:
        client = self.connect()
        client.send(request("CONNECT", self.authority) + order + more)
        answer = client.read_response("CONNECT")
        assert answer.status == 200, answer
        return client

    def connected_only(self):
        return self.connect()

    def half_a_connect(self):
        client = self.connect()
        text = request("CONNECT", self.authority)
        client.send(text[:self.random.randrange(1, len(text))])
        if self.random.random() < 0.3:
            client.half_close()
        return client

    def connect_without_reading(self):
        client = self.connect()
        client.send(request("CONNECT", self.authority) + b"e")
        return client

    def connect_and_end_at_once(self):
        self.end(self.connect_without_reading())

    def established(self):
        return self.tunnel(b"e")

    def bulk_up(self):
        return self.tunnel(b"t", bytes(self.random.randrange(1, 200_000)))

    def bulk_down(self):
        client = self.tunnel(b"f")
        client.read_exactly(self.random.randrange(1, 200_000))
        return client

    def half_close(self):
        client = self.tunnel(b"e", b"some bytes")
        client.half_close()
        assert client.read_to_end() == b"some bytes"
        client.close()

    def upstream_end(self):
        client = self.tunnel(self.random.choice((b"c", b"h", b"r")))
        try:
            assert client.read_some() == b""
        except ConnectionResetError:
            pass
        return client

    def get_without_reading(self):
        client = self.connect()
        client.send(request("GET", f"http://{self.authority}/"))
        return client

    def refused_connect(self):
        client = self.connect()
        client.send(request("CONNECT", self.refused))
        if self.random.random() < 0.5:
            assert client.read_response().status == 502
        return client

    def all(self):
        return (self.connected_only, self.half_a_connect, self.connect_without_reading, self.connect_and_end_at_once,
                self.established, self.bulk_up, self.bulk_down, self.half_close, self.upstream_end,
                self.get_without_reading, self.refused_connect)


class Storm(ProxyTest):
    def setUp(self) -> None:
        self.failures: list[str] = []

    def worker(self, proxy, number: int, count: int, authority: str, refused: str) -> None:
        aborts = Aborts(proxy, authority, refused, random.Random(number + 1000 * (settings.SEED - 1)))
        waiting: collections.deque[Wire] = collections.deque()
        for _ in range(count):
            act = aborts.random.choice(aborts.all())
            try:
                if left := act():
                    waiting.append(left)
            except Exception as failure:  # shown by storm() in the test's own thread
                self.failures.append(f"{act.__name__}: {failure!r}")
                return
            if len(waiting) > AT_ONCE:
                aborts.end(waiting.popleft())
        while waiting:
            aborts.end(waiting.popleft())

    def innocent(self, name: str, act, over: threading.Event, counts: collections.Counter) -> None:
        try:
            while not over.is_set():
                act()
                counts[name] += 1
                wait_quietly(0.002)
        except Exception as failure:
            self.failures.append(f"innocent {name}: {failure!r}")

    def warm(self, proxy, authority: str) -> int:
        """The number of descriptors once everything that is made on first use is there."""
        clients = [Wire.connect(proxy.host, proxy.port) for _ in range(64)]
        for client in clients:
            client.send(request("CONNECT", authority) + b"e" + bytes(200_000))
            client.read_response("CONNECT")
            client.read_exactly(200_000)
        for client in clients:
            client.close()
        wait_until(lambda: proxy.socket_count() == proxy.sockets_at_start, "sockets as at the start", PROMPT)
        return len(proxy.descriptors())

    def storm(self, threads: int, tunnels: int) -> None:
        proxy = self.start_proxy(threads=threads)
        origin, site, calm = self.origin(obey), self.site(lambda asked: response(asked.body)), self.origin(obey)
        refused = f"127.0.0.1:{self.enterContext(refusing_port())}"
        warm = self.warm(proxy, origin.authority)
        over, counts = threading.Event(), collections.Counter()
        kept = Wire.connect(proxy.host, proxy.port)
        long_lived = self.tunnel(calm.authority, b"e", proxy=proxy)

        def new_request() -> None:
            assert self.ask(request("POST", site.url(), body=b"new"), proxy=proxy).body == b"new"

        def kept_request() -> None:
            kept.send(request("POST", site.url(), body=b"kept"))
            assert kept.read_response().body == b"kept"

        def new_tunnel() -> None:
            with Wire.connect(proxy.host, proxy.port) as client:
                client.send(request("CONNECT", calm.authority) + b"eping")
                assert client.read_response("CONNECT").status == 200
                assert client.read_exactly(4) == b"ping"

        def kept_tunnel() -> None:
            long_lived.send(b"pong" * 1000)
            assert long_lived.read_exactly(4000) == b"pong" * 1000

        innocents = [threading.Thread(target=self.innocent, args=(act.__name__, act, over, counts))
                     for act in (new_request, kept_request, new_tunnel, kept_tunnel)]
        share = tunnels // WORKERS
        workers = [threading.Thread(target=self.worker, args=(proxy, number, share, origin.authority, refused))
                   for number in range(WORKERS)]
        for thread in innocents + workers:
            thread.start()
        for thread in workers:
            thread.join()
        wait_quietly(0.2)  # innocents go on in the calm after the storm
        over.set()
        for thread in innocents:
            thread.join()
        self.assertEqual(self.failures, [])
        self.assertTrue(all(counts[act] > 5 for act in ("new_request", "kept_request", "new_tunnel", "kept_tunnel")),
                        counts)
        kept.close()
        long_lived.close()
        self.examine(proxy, origin, warm)

    def examine(self, proxy, origin, warm: int) -> None:
        origin.wait_until_free(within=TIMEOUT)
        self.assert_serves(proxy)
        wait_until(lambda: proxy.tcp_states()["08"] == 0, "no CLOSE-WAIT", PROMPT)
        for each in self._origins:  # whose idle connections stay pooled while they are there
            each.close()
        wait_until(lambda: proxy.socket_count() == proxy.sockets_at_start, "sockets as at the start", PROMPT)
        if not settings.WINDOWS:  # whose Wine keeps some for later
            self.assertLessEqual(len(proxy.descriptors()), warm)
        self.assertIsNone(proxy.process.poll())

    def test_on_one_loop(self):
        self.storm(1, settings.STORM)

    def test_on_four_loops(self):
        self.storm(4, settings.STORM)


if __name__ == "__main__":
    unittest.main()
