"""CONNECT: every byte in both directions, every kind of end passed on at once, nothing left behind."""
import threading
import time
import unittest

from harness import ProxyTest
from origins import black_hole, echo, hold, refusing_port
from settings import COMPILER, PROMPT, SCALE, TIMEOUT, WINDOWS
from wire import Wire, request, response, wait_quietly, wait_until


class Data(ProxyTest):
    def test_payload_in_the_segment_of_the_connect_reaches_the_origin(self):
        with self.tunnel(self.origin(echo).authority, b"early data") as client:
            self.assertEqual(client.read_exactly(10), b"early data")
            client.send(b"later")
            self.assertEqual(client.read_exactly(5), b"later")

    def test_a_megabyte_behind_the_connect_reaches_the_origin(self):
        payload = bytes(range(256)) * 4096
        origin = self.origin(lambda wire: wire.send(wire.read_exactly(len(payload))[::-1]))
        client = self.client()
        sender = threading.Thread(target=lambda: client.send(request("CONNECT", origin.authority) + payload))
        sender.start()
        self.assertEqual(client.read_response("CONNECT").status, 200)
        self.assertEqual(client.read_exactly(len(payload)), payload[::-1])
        sender.join()

    def test_the_origin_speaks_first(self):
        def greet(wire: Wire) -> None:
            wire.send(b"220 hello\r\n")
            echo(wire)

        with self.tunnel(self.origin(greet).authority) as client:
            self.assertEqual(client.read_until(b"\r\n"), b"220 hello\r\n")
            client.send(b"x")
            self.assertEqual(client.read_exactly(1), b"x")

    def test_a_connect_that_arrives_byte_by_byte(self):
        origin = self.origin(echo)
        with self.client() as client:
            for byte in request("CONNECT", origin.authority) + b"x":
                client.send(bytes([byte]))
            self.assertEqual(client.read_response("CONNECT").status, 200)
            self.assertEqual(client.read_exactly(1), b"x")

    def test_many_small_messages(self):
        with self.tunnel(self.origin(echo).authority) as client:
            for number in range(2000):
                client.send(b"%05d" % number)
                self.assertEqual(client.read_exactly(5), b"%05d" % number)

    def test_bytes_of_any_value_are_not_touched(self):
        payload = bytes(range(256)) + b"GET / HTTP/1.1\r\n\r\nCONNECT x:1 HTTP/1.1\r\n\r\n" + bytes(5000)
        with self.tunnel(self.origin(echo).authority, payload) as client:
            self.assertEqual(client.read_exactly(len(payload)), payload)

    def test_http10_connect_and_a_name(self):
        origin = self.origin(echo)
        with self.client() as client:
            client.send(f"CONNECT localhost:{origin.port} HTTP/1.0\r\n\r\nx")
            self.assertEqual(client.read_response("CONNECT").status, 200)
            self.assertEqual(client.read_exactly(1), b"x")

    def test_a_tunnel_after_requests_on_the_same_connection(self):
        site = self.site(lambda asked: response("ok"))
        with self.client() as client:
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            client.send(request("CONNECT", self.origin(echo).authority) + b"x")
            self.assertEqual(client.read_response("CONNECT").status, 200)
            self.assertEqual(client.read_exactly(1), b"x")


class Ends(ProxyTest):
    def test_client_half_closes_and_the_origin_answers_later(self):
        def serve(wire: Wire) -> None:
            asked = wire.read_to_end()
            wait_quietly(0.5)
            wire.send(b"you said " + asked)
            wire.send(b"!" * 100_000)

        with self.tunnel(self.origin(serve).authority) as client:
            client.send(b"something")
            client.half_close()
            self.assertEqual(client.read_to_end(), b"you said something" + b"!" * 100_000)

    def test_client_half_closes_in_the_segment_of_the_connect(self):
        origin = self.origin(lambda wire: wire.send(wire.read_to_end() * 2))
        with self.client() as client:
            client.send(request("CONNECT", origin.authority) + b"ab")
            client.half_close()
            self.assertEqual(client.read_response("CONNECT").status, 200)
            self.assertEqual(client.read_to_end(), b"abab")

    def test_origin_half_closes_first_and_still_receives(self):
        received = []

        def serve(wire: Wire) -> None:
            wire.send(b"that is all")
            wire.half_close()
            received.append(wire.read_to_end())

        origin = self.origin(serve)
        with self.tunnel(origin.authority) as client:
            self.assertEqual(client.read_to_end(), b"that is all")
            wait_quietly(0.3)
            client.send(b"thank ")
            wait_quietly(0.1)
            client.send(b"you")
            client.half_close()
            origin.wait_until_free()
        self.assertEqual(received, [b"thank you"])

    def test_origin_closes(self):
        with self.tunnel(self.origin(lambda wire: wire.send(b"bye")).authority) as client:
            self.assertEqual(client.read_to_end(), b"bye")

    def test_origin_closes_before_anything_was_said(self):
        with self.tunnel(self.origin(lambda wire: None).authority) as client:
            self.assertEqual(client.ended(), "eof")

    def test_origin_resets(self):
        go = threading.Event()
        origin = self.origin(lambda wire: (go.wait(TIMEOUT), wire.reset()))
        with self.tunnel(origin.authority) as client:
            client.send(b"data that is never read")
            go.set()
            self.assertEqual(client.ended(), "reset")
            self.assert_gone_on_write(client)

    def assert_gone_on_write(self, client: Wire) -> None:
        """Not a half-close: who goes on writing is told."""
        def told() -> bool:
            try:
                client.send(b"x")
            except OSError:
                return True
            return False

        wait_until(told, "an error when writing into a tunnel that was reset", PROMPT)

    def test_origin_resets_while_the_client_sends(self):
        origin = self.origin(lambda wire: (wire.read_exactly(1 << 20), wire.reset()))
        with self.tunnel(origin.authority) as client:
            with self.assertRaises(OSError):
                for _ in range(10_000):
                    client.send(bytes(1 << 16))

    def test_origin_resets_after_its_half_close(self):
        go = threading.Event()
        origin = self.origin(lambda wire: (wire.half_close(), go.wait(TIMEOUT), wire.reset()))
        with self.tunnel(origin.authority) as client:
            self.assertEqual(client.ended(), "eof")
            go.set()
            self.assert_gone_on_write(client)

    def test_client_resets(self):
        ends = []
        origin = self.origin(lambda wire: ends.append(wire.drained(TIMEOUT)))
        client = self.tunnel(origin.authority)
        client.send(b"x")
        client.reset()
        origin.wait_until_free()
        self.assertIn(ends, (["reset"], ["eof"]))

    def test_client_resets_while_the_origin_sends(self):
        def pour(wire: Wire) -> None:
            while True:
                wire.send(bytes(1 << 16))

        origin = self.origin(pour)
        client = self.tunnel(origin.authority)
        client.read_exactly(1 << 20)
        client.reset()
        origin.wait_until_free()

    def test_client_resets_after_its_half_close(self):
        def pour(wire: Wire) -> None:
            wire.read_to_end()
            while True:
                wire.send(b"x")
                wait_quietly(0.01)

        origin = self.origin(pour)
        client = self.tunnel(origin.authority)
        client.half_close()
        client.read_exactly(3)
        client.reset()
        origin.wait_until_free()

    @unittest.skipIf(WINDOWS, "Wine keeps sockets that connect in another process")
    def test_client_resets_while_the_connection_to_the_origin_is_made(self):
        with black_hole() as port:
            client = self.client()
            client.send(request("CONNECT", f"127.0.0.1:{port}") + b"early")
            wait_until(lambda: self.proxy.tcp_states()["02"] == 1, "SYN-SENT", PROMPT)
            client.reset()
            wait_until(lambda: self.proxy.tcp_states()["02"] == 0, "the attempt is given up", PROMPT)


class Failures(ProxyTest):
    options = ("--connect-timeout-ms", "500")

    def both_ways(self, authority: str, *statuses: int, text: str) -> None:
        """Plainly and by CONNECT; the answer names who could not be reached and why."""
        for data in (request("CONNECT", authority), request("GET", f"http://{authority}/")):
            with self.subTest(data[:40]):
                answer = self.ask(data)
                self.assert_own_answer(answer, *statuses)
                if answer.status != 400:
                    self.assertIn(authority.rsplit(":", 1)[0].encode(), answer.body)
                self.assertRegex(answer.body.decode().lower(), text)

    def test_refused(self):
        with refusing_port() as port:
            self.both_ways(f"127.0.0.1:{port}", 502, text="refused")

    def test_no_such_name(self):
        # a label of more than 63 characters: no server has to be asked
        self.both_ways(f"{'x' * 70}.invalid:80", 400, 502, text=r"name|host|label|resol")

    def test_a_name_nobody_has(self):
        started = time.monotonic()
        self.both_ways("no-such-host.invalid:80", 502, 504, text=r"name|host|resol|timed? ?out")
        self.assertLess(time.monotonic() - started, TIMEOUT)

    def test_nobody_answers(self):
        with black_hole() as port:
            started = time.monotonic()
            self.both_ways(f"127.0.0.1:{port}", 504, text=r"timed? ?out|in time|time limit")
            self.assertGreater(time.monotonic() - started, 0.8)
            self.assertLess(time.monotonic() - started, 2 * PROMPT)

    def test_the_connection_goes_on_after_a_failed_request(self):
        site = self.site(lambda asked: response("ok"))
        with refusing_port() as port, self.client() as client:
            client.send(request("GET", f"http://127.0.0.1:{port}/"))
            answer = client.read_response()
            self.assert_own_answer(answer, 502)
            if "close" not in answer.options():
                client.send(request("GET", site.url()))
                self.assertEqual(client.read_response().body, b"ok")
        self.assert_serves()


class Numbers(ProxyTest):
    @unittest.skipIf(WINDOWS, "Wine keeps some sockets in another process")
    def test_200_idle_tunnels_and_requests_are_still_served(self):
        origin, site = self.origin(hold), self.site(lambda asked: response("ok"))
        tunnels = [self.tunnel(origin.authority) for _ in range(200)]
        origin.wait_for(200)
        for _ in range(20):
            started = time.monotonic()
            self.assertEqual(self.get(site.url()).body, b"ok")
            self.assertLess(time.monotonic() - started, PROMPT)
        self.assertEqual(self.proxy.tcp_states()["01"] >= 400, True, self.proxy.tcp_states())
        for client in tunnels:
            client.close()
        origin.wait_until_free(200)

    @unittest.skipIf(WINDOWS, "its memory is Wine's")
    def test_idle_tunnels_are_cheap(self):
        origin = self.origin(hold)
        warm = [self.tunnel(origin.authority) for _ in range(50)]
        before = self.proxy.rss()
        more = [self.tunnel(origin.authority) for _ in range(300)]
        grown = self.proxy.rss() - before
        # sanitizers keep what is freed; g++ 12 lays larger frames out than clang, which is what ships
        factor = 16 if SCALE > 1 else 1.5 if COMPILER == "GNU" else 1
        self.assertLess(grown, 300 * 3 * factor, "KiB for 300 idle tunnels")
        for client in warm + more:
            client.close()

    @unittest.skipIf(SCALE > 1, "sanitizers keep what is freed")
    @unittest.skipIf(WINDOWS, "its memory is Wine's")
    def test_memory_goes_back_when_tunnels_end(self):
        proxy, origin, many = self.start_proxy(threads=1), self.origin(hold), 1500
        for client in [self.tunnel(origin.authority, proxy=proxy) for _ in range(50)]:
            client.close()
        origin.wait_until_free(50)
        before = proxy.rss()
        tunnels = [self.tunnel(origin.authority, proxy=proxy) for _ in range(many)]
        peak = proxy.rss()
        self.assertGreater(peak - before, many)
        for client in tunnels:
            client.close()
        # the descriptors' entries and the slots stay for their next use
        wait_until(lambda: proxy.rss() - before < (peak - before) / 2, "most of it goes back", TIMEOUT)

    def test_descriptors_are_back_at_the_baseline(self):
        origin, rounds = self.origin(echo), []

        def round_of(count: int) -> None:
            clients = [self.tunnel(origin.authority, b"x") for _ in range(count)]
            for number, client in enumerate(clients):
                self.assertEqual(client.read_exactly(1), b"x")
                (Wire.close, Wire.reset, Wire.half_close)[number % 3](client)
                if number % 3 == 2:
                    self.assertEqual(client.ended(), "eof")
                    client.close()
            rounds.append(count)
            origin.wait_until_free(sum(rounds))
            wait_until(lambda: self.proxy.socket_count() == self.proxy.sockets_at_start, "sockets closed", PROMPT)

        round_of(100)
        warm = len(self.proxy.descriptors())
        for _ in range(3):
            round_of(100)
        wait_until(lambda: len(self.proxy.descriptors()) <= warm, f"at most {warm} descriptors", PROMPT)
        self.assertEqual(self.proxy.tcp_states()["08"], 0, "CLOSE-WAIT")


if __name__ == "__main__":
    unittest.main()
