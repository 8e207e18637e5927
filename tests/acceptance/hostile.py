#!/usr/bin/env python3
"""What a hostile client sends, through the real proxy before a recording origin: the status, and that nothing passed.

tests/e2e/refusals_test.py has the plain cases; here is what smuggling corpora, address filters and denials of service
are made of besides. One by hand: tests/acceptance/hostile.py Heads.test_each
"""
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import settings  # noqa: E402
from harness import ProxyTest  # noqa: E402
from hostile_cases import ALLOWED, BODIES, CUT_BODIES, HEADS  # noqa: E402
from settings import PROMPT  # noqa: E402
from wire import Truncated, Wire, request, response, wait_quietly, wait_until  # noqa: E402


class Recorder(Wire):
    """Keeps what it reads, some of it twice."""

    def __init__(self, connected: socket.socket, taken: list[bytes]):
        super().__init__(connected)
        self.taken = taken

    def _fill(self) -> bool:
        before = len(self.buffer)
        more = super()._fill()
        self.taken += [self.buffer[before:]] if more else []
        return more

    def read_some(self, most: int = 1 << 18) -> bytes:
        data = super().read_some(most)
        self.taken += [data] if data else []
        return data


class Hostile(ProxyTest):
    """The origin keeps every byte it gets; complete are the requests among them."""

    def setUp(self) -> None:
        super().setUp()
        self.bytes: list[bytes] = []
        self.complete: list = []
        self.target = self.origin(self.record)

    def record(self, wire: Wire) -> None:
        recorder = Recorder(wire.socket, self.bytes)
        while (asked := recorder.read_request()) is not None:
            self.complete.append(asked)
            recorder.send(response("ok"))

    def fill_in(self, template: bytes | str) -> bytes:
        text = template if isinstance(template, bytes) else template.encode("latin-1")
        port = self.target.port
        for mark, value in ((b"ORIGIN", self.target.authority), (b"WRAPPED", port + 65536), (b"PORT", port)):
            text = text.replace(mark, str(value).encode())
        return text

    def exchange(self, data: bytes) -> bytes:
        """All that the proxy answers until it ends the connection, or is silent."""
        with self.client() as client:
            try:
                client.send(data)
                client.half_close()
            except OSError:
                pass  # refused before it was complete
            try:
                return client.read_to_end()
            except ConnectionResetError:
                return b""

    def assert_untouched(self) -> None:
        """What was sent before a request that works would have arrived before it."""
        self.assertEqual(self.get(self.site(lambda asked: response("ok")).url()).status, 200)
        self.assertEqual((self.target.accepted, self.bytes), (0, []), "forwarded")


class Heads(Hostile):
    options = ("--verbose",)

    def assert_log(self, before: int, status: int) -> None:
        """One line that says why, whatever the client put into it."""
        said = wait_until(lambda: self.proxy.log[before:], "the log says why", PROMPT)
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], rf"\A\d\S+ debug [^\x00-\x1f\x7f]*-> {status} [^ \x00-\x1f\x7f][^\x00-\x1f\x7f]*\Z")

    def test_each(self):
        for name, (statuses, template) in HEADS.items():
            with self.subTest(name):
                before, lines = self.target.accepted, len(self.proxy.log)
                with self.client() as client:
                    client.send(self.fill_in(template))
                    answer = client.read_response("HEAD" if template[:4] in ("HEAD", b"HEAD") else "GET")
                    self.assertIn(answer.status, statuses, answer.body)
                    self.assertIn("close", answer.options())
                    self.assertIn(client.drained(), ("eof", "reset"))
                    self.assertEqual(client.buffer, b"", "a second answer")
                self.assertEqual(self.target.accepted, before, "the origin was connected to")
                self.assert_log(lines, answer.status)
        self.assert_untouched()

    def test_each_with_a_good_request_behind_it(self):
        """What is smuggled behind a refused head is never taken for a request."""
        good = request("GET", self.target.url("/smuggled"))
        for name, (_, template) in HEADS.items():
            with self.subTest(name):
                answers = self.exchange(self.fill_in(template) + good)
                self.assertLessEqual(answers.count(b"HTTP/1.1 "), 1, answers)
                self.assertNotIn(b"HTTP/1.1 200", answers)
        self.assert_untouched()


class Bodies(Hostile):
    def test_a_body_that_bends_the_grammar_never_completes(self):
        """The head of such a request may be on its way; the request never becomes one, nor what stands behind it."""
        good = request("GET", self.target.url("/smuggled"))
        for name, template in BODIES.items():
            with self.subTest(name):
                self.assert_never_complete(self.fill_in(template) + good)

    def test_a_body_that_is_cut_never_completes(self):
        for name, template in CUT_BODIES.items():
            with self.subTest(name):
                self.assert_never_complete(self.fill_in(template))

    def assert_never_complete(self, body: bytes) -> None:
        head = request("POST", self.target.url(), fields=[("Transfer-Encoding", "chunked")])
        answers = self.exchange(head + body)
        self.assertRegex(answers, rb"\A(HTTP/1\.1 4\d\d |\Z)")
        self.assertLessEqual(answers.count(b"HTTP/1.1 "), 1, answers)
        self.target.wait_until_free(0)
        self.assertEqual(self.complete, [])
        self.assertNotIn(b"smuggled", b"".join(self.bytes))


class Allowed(Hostile):
    def test_what_is_odd_but_right_is_forwarded_in_one_spelling(self):
        for name, (template, expected) in ALLOWED.items():
            with self.subTest(name):
                self.complete.clear()
                self.bytes.clear()
                answers = self.exchange(self.fill_in(template))
                self.assertEqual(answers[:12], b"HTTP/1.1 200", answers[:300])
                self.assertEqual(len(self.complete), 1)
                asked = self.complete[0]
                for field, value in expected.items():
                    value = value and self.fill_in(value).decode("latin-1")
                    got = asked.body.decode() if field == "body" else asked.target if field == "target" \
                        else asked.get(field)
                    self.assertEqual(got, value, field)

    def test_host_is_the_targets_whatever_the_client_said(self):
        other = self.site(lambda asked: response("other"))
        answer = self.ask(request("GET", self.target.url("/x"), host=other.authority))
        self.assertEqual((answer.body, other.accepted), (b"ok", 0))
        self.assertEqual(self.complete[0].all("Host"), [self.target.authority])

    def test_a_hundred_fields_pass_and_one_more_does_not(self):
        for count, status in ((100, 200), (101, 431)):
            fields = [(f"X-{number}", "y") for number in range(count - 1)]  # and Host
            self.assertEqual(self.ask(request("GET", self.target.url(), fields=fields)).status, status, count)

    def test_a_head_of_32_kib_passes_and_one_more_byte_does_not(self):
        for size, status in ((32 * 1024, 200), (32 * 1024 + 1, 431)):
            bare = len(request("GET", self.target.url(), fields=[("X", "")]))
            data = request("GET", self.target.url(), fields=[("X", "y" * (size - bare))])
            self.assertEqual(len(data), size)
            self.assertEqual(self.ask(data).status, status, size)


class Cost(Hostile):
    """What a client sends must not cost more than its bytes."""

    def cpu_of(self, data: bytes, piece: int, times: int) -> float:
        before = self.proxy.cpu_seconds()
        for _ in range(times):
            with self.client() as client:
                try:
                    for at in range(0, len(data), piece):
                        client.send(data[at:at + piece])
                    client.half_close()
                    client.read_to_end()
                except OSError:
                    pass
        return self.proxy.cpu_seconds() - before

    def test_ten_thousand_tiny_headers_cost_what_a_hundred_do(self):
        few, many = (request("GET", self.target.url(), fields=[(f"X-{number}", "y") for number in range(count)])
                     for count in (101, 10_000))
        cost = [self.cpu_of(data, 1 << 20, 500) for data in (few, many)]
        self.assertEqual(self.complete, [])
        # the rest of the long one is read to be thrown away; 150 KB against 1.2 KB
        self.assertLess(cost[1], 10 * cost[0] + 0.5 * settings.SCALE, f"CPU seconds {cost}")

    def test_a_head_that_comes_byte_by_byte_costs_in_line_with_its_length(self):
        """99 fields and no end: four times the bytes may not be sixteen times the work."""
        cost = []
        for width in (70, 280):
            data = request("GET", self.target.url(), fields=[(f"X-{n}", "y" * width) for n in range(98)])[:-2]
            cost.append((self.cpu_of(data, 3, 40), len(data)))
        (short, short_size), (long, long_size) = cost
        ratio = long_size / short_size
        self.assertLess(long, 2 * ratio * short + 0.1 * settings.SCALE, f"CPU seconds and bytes: {cost}")


class Slow(ProxyTest):
    options = ("--header-timeout-ms", "700", "--idle-timeout-ms", "700")

    def test_a_crowd_of_slow_heads_ends_and_others_are_served_meanwhile(self):
        site = self.site(lambda asked: response("ok"))
        crowd = [self.client() for _ in range(100)]
        for client in crowd:
            client.send(b"GET " + site.url().encode() + b" HTTP/1.1\r\nHost: a\r\n")
        statuses = set()
        for turn in range(30):
            for client in crowd:
                try:
                    client.send(b"X-%d: y\r\n" % turn)
                except OSError:
                    pass
            self.assertEqual(self.get(site.url()).status, 200)
            wait_quietly(0.05)
        for client in crowd:
            try:
                statuses.add(client.read_response().status)
            except (OSError, Truncated):
                pass  # what it still sent has brought RST over the answer
        self.assertLessEqual(statuses, {408})
        self.assertEqual({each.target for each in site.requests}, {"/"})
        self.assertEqual(len(site.requests), 30)

    def slow_reader(self, connect: bool) -> None:
        """A client that asks for much and reads nothing."""
        def serve(wire: Wire) -> None:
            wire.read_request()
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n")
            for _ in range(400):
                wire.send(bytes(1_000_000))

        origin = self.origin(serve)
        before = self.proxy.rss_peak()
        if connect:
            client = self.tunnel(origin.authority, request("GET", "/", host="a"), receive_buffer=4096)
        else:
            client = self.client(receive_buffer=4096)
            client.send(request("GET", origin.url()))
        origin.wait_until_free(1, 4 * PROMPT)
        self.assertLess(self.proxy.rss_peak() - before, settings.memory(8), "KiB")
        wait_until(lambda: self.proxy.tcp_states()["01"] == 0, "no connection of the proxy is left", PROMPT)
        client.close()

    def test_a_client_that_reads_nothing_of_an_answer_is_let_go(self):
        self.slow_reader(False)

    def test_a_client_that_reads_nothing_of_a_tunnel_is_let_go(self):
        self.slow_reader(True)

    def test_a_client_that_reads_slowly_but_steadily_gets_all(self):
        body = bytes(range(256)) * 400
        site = self.site(lambda asked: response(body))
        client = self.client(receive_buffer=4096)
        client.send(request("GET", site.url()))
        head = client.read_head()
        got = client.buffer
        client.buffer = b""
        while len(got) < len(body):
            wait_quietly(0.02)
            got += client.read_some(2048)
        self.assertEqual((head.status, got == body), (200, True))
        client.close()


if __name__ == "__main__":
    unittest.main()
