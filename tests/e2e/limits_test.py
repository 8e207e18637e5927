"""What a peer can make longer, later or more of: every limit ends it with its status, and memory stays flat."""
import threading
import time
import unittest

import settings
from harness import ProxyTest
from origins import echo, hold
from settings import PROMPT, SCALE, TIMEOUT
from wire import Truncated, Wire, chunked, request, response, wait_quietly, wait_until


def endless(client: Wire, start: bytes, piece: bytes, total: int) -> int:
    """Sends until the peer refuses; the bytes that went out."""
    sent = 0
    try:
        client.send(start)
        while sent < total:
            client.send(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


class Sizes(ProxyTest):
    options = ("--max-body-bytes", "100000")

    def setUp(self) -> None:
        super().setUp()
        self.site_requests = self.site(lambda asked: response("ok"))

    def assert_refused(self, data: bytes, *statuses: int) -> None:
        with self.client() as client:
            try:
                client.send(data)
            except OSError:
                pass  # refused before all was sent
            self.assert_own_answer(client.read_response(), *statuses)
            self.assertIn(client.drained(), ("eof", "reset"))

    def flood(self, start: bytes, piece: bytes, *statuses: int) -> None:
        """200 MB of it: refused early, without memory for it."""
        before = self.proxy.rss_peak()
        with self.client() as client:
            answers = []

            def listen() -> None:
                try:
                    answers.append(client.read_response())
                except OSError:
                    pass  # our own bytes, still on their way, may have brought RST over the answer

            listener = threading.Thread(target=listen)
            listener.start()
            sent = endless(client, start, piece, 200_000_000)
            listener.join()
            self.assertEqual(len(answers), 1, "the answer arrives although the flood goes on")
            self.assert_own_answer(answers[0], *statuses)
            self.assertLess(sent, 200_000_000)
        self.assertLess(self.proxy.rss_peak() - before, settings.memory(8), "KiB")
        self.assertEqual(self.site_requests.accepted, 0)

    def test_200_mb_in_one_header(self):
        url = self.site_requests.url()
        self.flood(f"GET {url} HTTP/1.1\r\nHost: a\r\nX: ".encode(), b"x" * (1 << 20), 431)

    def test_200_mb_in_many_headers(self):
        url = self.site_requests.url()
        self.flood(f"GET {url} HTTP/1.1\r\nHost: a\r\n".encode(), b"X: y\r\n" * 100_000, 431)

    def test_200_mb_in_the_request_line(self):
        self.flood(b"GET " + self.site_requests.url().encode(), b"x" * (1 << 20), 414)

    def test_200_mb_in_a_method(self):
        self.flood(b"G", b"G" * (1 << 20), 400, 414, 501)

    def test_200_mb_of_empty_lines(self):
        self.flood(b"\r\n", b"\r\n" * (1 << 19), 400)

    def test_many_fields(self):
        site = self.site_requests
        fields = [(f"X-{number}", "y") for number in range(90)]
        self.assertEqual(self.ask(request("GET", site.url(), fields=fields)).status, 200)
        self.assertEqual(len([name for name, _ in site.requests[0].fields if name.startswith("X-")]), 90)
        fields = [(f"X-{number}", "y") for number in range(101)]
        self.assert_refused(request("GET", site.url(), fields=fields), 431)
        self.assertEqual(len(site.requests), 1)

    def test_long_request_line(self):
        site = self.site_requests
        self.assertEqual(self.ask(request("GET", site.url("/" + "x" * 8000))).status, 200)
        self.assert_refused(request("GET", site.url("/" + "x" * 40_000)), 414)
        self.assertEqual(len(site.requests), 1)

    def test_long_header(self):
        site = self.site_requests
        self.assertEqual(self.ask(request("GET", site.url(), fields=[("Cookie", "x" * 8000)])).status, 200)
        self.assert_refused(request("GET", site.url(), fields=[("Cookie", "x" * 70_000)]), 431)
        self.assertEqual(len(site.requests), 1)

    def test_body_with_a_length_above_the_limit_is_not_even_begun(self):
        site = self.site_requests
        self.assertEqual(self.ask(request("POST", site.url(), body=b"x" * 100_000)).status, 200)
        before = site.accepted
        self.assert_refused(request("POST", site.url(), fields=[("Content-Length", "100001")]), 413)
        self.assertEqual((len(site.requests), site.accepted), (1, before))

    def test_body_in_chunks_above_the_limit_never_completes(self):
        site = self.site_requests
        head = request("POST", site.url(), fields=[("Transfer-Encoding", "chunked")])
        self.assertEqual(self.ask(head + chunked(*[b"x" * 10_000] * 10)).status, 200)
        self.assert_refused(head + chunked(*[b"x" * 10_000] * 11), 413)
        self.assertEqual(len(site.requests), 1)


class HeaderTime(ProxyTest):
    options = ("--header-timeout-ms", "600")

    def assert_408(self, client: Wire) -> None:
        answer = client.read_response()
        self.assert_own_answer(answer, 408)
        self.assertIn(client.drained(), ("eof", "reset"))

    def test_a_client_that_says_nothing(self):
        started = time.monotonic()
        with self.client() as client:
            self.assert_408(client)
        self.assertGreater(time.monotonic() - started, 0.5)

    def test_a_client_that_stops_in_the_middle(self):
        with self.client() as client:
            client.send(b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\nX-")
            self.assert_408(client)

    def test_a_byte_now_and_then(self):
        started = time.monotonic()
        with self.client() as client:
            client.send(b"GET http://127.0.0.1/ HTTP/1.1\r\nHost: a\r\nX: ")
            while client.silent_for(0.1):
                client.send(b"x")
                self.assertLess(time.monotonic() - started, PROMPT, "every byte buys it more time")
            self.assert_408(client)
        self.assertGreater(time.monotonic() - started, 0.5)

    def test_it_does_not_run_while_an_answer_is_awaited(self):
        site = self.site(lambda asked: (wait_quietly(1.2), response("late"))[1])
        self.assertEqual(self.get(site.url()).body, b"late")

    def test_a_second_request_that_stops_in_the_middle(self):
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            client.send(b"GET http://127.0.0.1/ HTTP/1.1\r\nHo")
            self.assert_408(client)


class IdleTime(ProxyTest):
    options = ("--idle-timeout-ms", "500", "--keep-alive-timeout-ms", "500", "--response-timeout-ms", "500")

    def test_a_kept_connection_ends(self):
        site = self.site(lambda asked: response("ok"))
        started = time.monotonic()
        with self.client() as client:
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            self.assertEqual(client.ended(), "eof")
        self.assertGreater(time.monotonic() - started, 0.3)

    def test_a_silent_tunnel_ends(self):
        origin = self.origin(hold)
        started = time.monotonic()
        with self.tunnel(origin.authority) as client:
            self.assertIn(client.ended(), ("eof", "reset"))
        self.assertGreater(time.monotonic() - started, 0.3)
        origin.wait_until_free()

    def test_a_half_closed_tunnel_ends_too(self):
        origin = self.origin(lambda wire: (wire.read_to_end(), wait_quietly(3 * SCALE)))
        with self.tunnel(origin.authority) as client:
            client.half_close()
            self.assertIn(client.ended(), ("eof", "reset"))

    def test_a_tunnel_with_traffic_lives(self):
        with self.tunnel(self.origin(echo).authority) as client:
            for number in range(10):
                client.send(b"%d" % number)
                self.assertEqual(client.read_some(), b"%d" % number)
                wait_quietly(0.15)

    def test_traffic_in_one_direction_is_enough(self):
        def talk(wire: Wire) -> None:
            for _ in range(10):
                wire.send(b"x")
                wait_quietly(0.15)

        with self.tunnel(self.origin(talk).authority) as client:
            self.assertEqual(client.read_to_end(), b"x" * 10)

    def test_an_upload_that_stops_ends(self):
        origin = self.origin(hold)
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=[("Content-Length", "10")]) + b"12345")
            self.assert_own_answer(client.read_response(), 408)
        origin.wait_until_free()

    def test_whose_turn_it_is_when_neither_says_anything(self):
        """The client's, but not before the origin has said that it may go on."""
        def go_on(wire: Wire) -> None:
            wire.read_head()
            wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            hold(wire)

        fields = [("Content-Length", "10"), ("Expect", "100-continue")]
        for script, begun, status in ((hold, b"", 504), (hold, b"1", 408), (go_on, b"", 408)):
            for _ in range(10 // SCALE):  # which of the two is woken first is chance
                origin = self.origin(script)
                with self.client() as client:
                    client.send(request("POST", origin.url(), fields=fields) + begun)
                    if script is go_on:
                        self.assertEqual(client.read_head().status, 100)
                    self.assert_own_answer(client.read_response(), status)
                origin.wait_until_free()

    def test_an_origin_that_takes_a_whole_body_and_never_answers_is_504(self):
        origin = self.origin(hold)
        self.assert_own_answer(self.ask(request("POST", origin.url(), body=b"12345")), 504)
        origin.wait_until_free()

    def test_an_origin_that_never_answers_is_504(self):
        origin = self.origin(hold)
        self.assert_own_answer(self.get(origin.url()), 504)
        origin.wait_until_free()


class Connections(ProxyTest):
    def test_above_the_limit_a_client_waits_or_is_told(self):
        proxy = self.start_proxy("--max-connections", "4")
        origin = self.origin(echo)
        tunnels = [self.tunnel(origin.authority, proxy=proxy) for _ in range(4)]
        site = self.site(lambda asked: response("ok"))
        extra = [self.client(proxy) for _ in range(8)]
        for client in extra:
            try:
                client.send(request("GET", site.url(), fields=[("Connection", "close")]))
            except OSError:
                pass
        wait_quietly(0.3)
        self.assertEqual(site.accepted, 0, "served beyond the limit")
        for number, client in enumerate(tunnels):
            client.send(b"%d" % number)
            self.assertEqual(client.read_some(), b"%d" % number)
        tunnels.pop().close()

        def served() -> bool:
            try:
                return self.get(site.url(), proxy).status == 200
            except (OSError, Truncated):  # refused while the limit is still reached
                return False

        for client in extra:
            client.socket.settimeout(TIMEOUT)
            try:
                self.assertIn(client.read_response().status, (200, 503))
            except (OSError, Truncated):
                pass
            client.close()
        wait_until(served, "served again after a tunnel ended", PROMPT)


if __name__ == "__main__":
    unittest.main()
