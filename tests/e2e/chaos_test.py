"""With --chaos an answer is whole and right or visibly ends early; nothing is left, and the proxy still drains."""
import collections
import concurrent.futures
import hashlib
import re
import signal
import threading
import unittest

from harness import Proxy, ProxyTest
from origins import bulk, bulk_digest, digest_of, echo
from settings import MIB, SCALE, SEED
from wire import Malformed, Truncated, Wire, chunked, request, response, wait_quietly, wait_until

ENDS = (Truncated, OSError)  # a stream that ends early


def body_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (number % 97 + 1)


def answer(asked) -> bytes:
    number = int(asked.target.rsplit("/", 1)[1])
    body = body_of(number)
    if number % 3 == 0:
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body[:20], body[20:])
    return response(body)


class Chaos(ProxyTest):
    def setUp(self) -> None:
        pass  # each test starts its own

    def run_requests(self, proxy: Proxy, clients: int, requests: int) -> tuple[int, int, int]:
        """Whole answers, answers of the proxy's own that say why not, and connections that ended early."""
        site = self.site(answer)
        whole, refused, ended = [], [], []
        wrong: list[str] = []

        def one(first: int) -> None:
            wire = None
            for number in range(first, first + requests):
                try:
                    wire = wire or Wire.connect(proxy.host, proxy.port)
                    method = "POST" if number % 4 == 1 else "GET"
                    body = b"u" * (number % 5000) if method == "POST" else None
                    wire.send(request(method, site.url(f"/{number}"), host=site.authority, body=body))
                    got = wire.read_response(method)
                    if got.status == 200:
                        whole.append(number)
                        if got.body != body_of(number):
                            wrong.append(f"{number}: another answer, {len(got.body)} bytes")
                    elif got.status in (502, 503, 504):
                        refused.append(number)
                    else:
                        wrong.append(f"{number}: status {got.status}")
                    if "close" in got.options():
                        wire.close()
                        wire = None
                except ENDS:
                    ended.append(number)
                    if wire:
                        wire.close()
                    wire = None
                except Malformed as what:
                    wrong.append(f"{number}: {what}")
                    wire.close()
                    return
            if wire:
                wire.close()

        self.at_once(one, [place * requests for place in range(clients)])
        self.assertEqual(wrong, [])
        self.assertEqual(len(whole) + len(refused) + len(ended), clients * requests)
        return len(whole), len(refused), len(ended)

    def at_once(self, one, arguments) -> None:
        """Calls one(argument) for each in threads of their own; what they raise is raised."""
        with concurrent.futures.ThreadPoolExecutor(len(arguments)) as pool:
            for each in [pool.submit(one, argument) for argument in arguments]:
                each.result()

    def touched(self, proxy: Proxy) -> dict[str, int]:
        found = [re.search(r"chaos held (\d+) completions, put (\d+) behind others, cancelled (\d+)", line)
                 for line in proxy.log]
        sums = [sum(int(each[place]) for each in found if each) for place in (1, 2, 3)]
        return dict(zip(("held", "behind", "cancelled"), sums))

    def test_little_chaos_says_so_and_most_answers_are_whole(self):
        proxy = self.start_proxy("--chaos", f"{SEED}:0.01")
        proxy.wait_for_log(rf"--chaos {SEED}:0\.01: completions are delayed")
        whole, refused, ended = self.run_requests(proxy, clients=8, requests=100 // SCALE)
        self.assertGreater(whole, 9 * (refused + ended), (whole, refused, ended))

    def test_much_chaos_disturbs_everything_and_breaks_nothing(self):
        proxy = self.start_proxy("--chaos", f"{SEED}:0.5")
        whole, _, _ = self.run_requests(proxy, clients=16, requests=60 // SCALE)
        self.assertGreater(whole, 0)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(), 0, proxy.log_text())
        for name, many in self.touched(proxy).items():
            self.assertGreater(many, 0, f"{name}: {proxy.log_text()}")

    def test_tunnels_carry_each_byte_in_order_until_they_end(self):
        proxy = self.start_proxy("--chaos", f"{SEED}:0.05")
        site = self.origin(echo)
        size, finished, ended = MIB // SCALE, [], []
        wrong: list[str] = []

        def one(_) -> None:
            received, reset = b"", False
            try:
                wire = self.tunnel(site.authority, proxy=proxy)
            except (*ENDS, AssertionError):  # not made: the answer says so, or there is none
                ended.append(0)
                return
            sender = threading.Thread(target=lambda: push(wire))
            sender.start()
            try:
                while piece := wire.read_some():
                    received += piece
            except ENDS:
                reset = True
            wire.wake()
            sender.join()
            wire.close()
            if len(received) < size and not reset:
                wrong.append(f"ended in order after {len(received)} bytes")
            expected = b"".join(bulk(size))
            if received != expected[:len(received)]:
                wrong.append(f"not what was sent, in {len(received)} bytes")
            (finished if len(received) == size else ended).append(len(received))

        def push(wire: Wire) -> None:
            try:
                for piece in bulk(size):
                    wire.send(piece)
                wire.half_close()
            except OSError:
                pass

        self.at_once(one, range(12))
        self.assertEqual(wrong, [])
        self.assertEqual(len(finished) + len(ended), 12)
        self.assertGreater(sum(finished) + sum(ended), 0)

    def test_an_upload_that_comes_slowly_is_answered_or_visibly_ended(self):
        site = self.site(lambda asked: response(asked.body))
        proxy = self.start_proxy("--chaos", f"{SEED}:0.7", "--response-timeout-ms", "600000")
        statuses = collections.Counter()

        def one(number: int) -> None:
            body = body_of(number) * 3
            try:
                with Wire.connect(proxy.host, proxy.port) as wire:
                    whole = request("POST", site.url("/up"), host=site.authority, body=body)
                    for begin in range(0, len(whole), len(whole) // 4 + 1):
                        wire.send(whole[begin:begin + len(whole) // 4 + 1])
                        wait_quietly(0.002)  # so that it comes in pieces
                    got = wire.read_response("POST")
            except TimeoutError:
                statuses["nothing"] += 1
            except ENDS:
                statuses["ended"] += 1
            else:
                statuses[got.status if got.status != 200 or got.body == body else "wrong"] += 1

        self.at_once(one, range(60 // SCALE))
        self.assertLessEqual(set(statuses), {200, 502, 503, "ended"}, statuses)
        self.assertGreater(statuses[200], 0)

    def test_a_download_is_whole_or_visibly_not(self):
        proxy = self.start_proxy("--chaos", f"{SEED}:0.02")
        size = 8 * MIB // SCALE

        def big(wire: Wire) -> None:
            while wire.read_request():
                wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")
                for piece in bulk(size):
                    wire.send(piece)

        site = self.origin(big)
        whole = 0
        for _ in range(12):
            try:
                with Wire.connect(proxy.host, proxy.port) as wire:
                    wire.send(request("GET", site.url("/big"), host=site.authority))
                    head = wire.read_head()
                    if head is None or head.status != 200:
                        continue
                    digest, many = digest_of(wire, size)
                    if many == size:
                        self.assertEqual(digest, bulk_digest(size))
                        whole += 1
            except ENDS:
                continue
        self.assertGreater(whole, 0)

    def test_it_drains_while_requests_are_under_way(self):
        proxy = self.start_proxy("--chaos", f"{SEED}:1", "--drain-timeout-ms", "2000")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            load = pool.submit(self.run_requests, proxy, clients=8, requests=40 // SCALE)
            wait_until(lambda: proxy.socket_count() > proxy.sockets_at_start, "clients are there")
            proxy.signal(signal.SIGTERM)
            self.assertEqual(proxy.wait(), 0, proxy.log_text())
            load.result()


if __name__ == "__main__":
    unittest.main()
