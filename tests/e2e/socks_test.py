"""SOCKS 4, 4a and 5: tunnels like those of CONNECT, each error with its reply, nothing lost or left in any phase."""
import json
import signal
import threading
import time
import unittest

from origins import black_hole, echo, refusing_port
from settings import PROMPT, TIMEOUT
from socks import (BIND, FAILED, GRANTED, GREETING, NO_ADDRESS_TYPE, NO_COMMAND, NO_HOST, REFUSED, TOO_LATE,
                   SocksTest, as_name, read_reply5, request4, request5)
from wire import Wire, request, response, wait_quietly, wait_until


class Tunnels(SocksTest):
    def test_curl_in_every_mode(self):
        site = self.site(lambda asked: response(b"x" * 100_000))
        for mode in ("socks4", "socks4a", "socks5", "socks5h"):
            for host in ("127.0.0.1", "localhost"):
                with self.subTest(mode, host=host):
                    body = self.curl("-x", f"{mode}://{self.proxy.address}", f"http://{host}:{site.port}/",
                                     through=False)
                    self.assertEqual(body, b"x" * 100_000)

    def test_curl_with_a_password_that_nobody_asks_for(self):
        site = self.site(lambda asked: response("ok"))
        through = f"socks5h://user:secret@{self.proxy.address}"
        self.assertEqual(self.curl("-x", through, site.url(), through=False), b"ok")

    def test_tls_within(self):
        site = self.site(lambda asked: response("ok"), tls=self.authority().server())
        self.assertEqual(self.curl("-x", f"socks5h://{self.proxy.address}", "--cacert",
                                   str(self.authority().certificate), f"https://localhost:{site.port}/",
                                   through=False), b"ok")

    def test_ipv6_as_address_and_as_name(self):
        origin = self.origin(echo, host="::1")
        with self.tunnel5("::1", origin.port, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        with self.greeted() as client:
            client.send(b"\5\1\0" + as_name("::1", origin.port) + b"y")
            self.assertEqual(read_reply5(client)[0], GRANTED)
            self.assertEqual(client.read_exactly(1), b"y")

    def test_the_reply_names_where_we_come_from(self):
        seen = []
        origin = self.origin(lambda wire: seen.append(wire.socket.getpeername()))
        with self.greeted() as client:
            client.send(request5("127.0.0.1", origin.port))
            self.assertEqual(read_reply5(client), (GRANTED, *wait_until(lambda: seen, "a connection")[0]))

    def test_early_data_in_the_segment_of_the_request(self):
        origin = self.origin(echo)
        for open_tunnel in (self.tunnel4, self.tunnel5):
            with self.subTest(open_tunnel.__name__), open_tunnel("127.0.0.1", origin.port, b"early data") as client:
                self.assertEqual(client.read_exactly(10), b"early data")
                client.send(b"later")
                self.assertEqual(client.read_exactly(5), b"later")

    def test_everything_in_one_segment(self):
        origin = self.origin(lambda wire: wire.send(wire.read_to_end() * 2))
        with self.client() as client:
            client.send(GREETING + request5("localhost", origin.port) + b"\5\1\0ab")
            client.half_close()
            self.assertEqual(client.read_exactly(2), b"\5\0")
            self.assertEqual(read_reply5(client)[0], GRANTED)
            self.assertEqual(client.read_to_end(), b"\5\1\0ab" * 2)

    def test_byte_by_byte(self):
        origin = self.origin(echo)
        for text, answer in ((GREETING + request5("localhost", origin.port), 2 + 10),
                             (request4("localhost", origin.port), 8)):
            with self.client() as client:
                for byte in text + b"x":
                    client.send(bytes([byte]))
                self.assertEqual(client.read_exactly(answer + 1)[-1:], b"x")

    def test_a_megabyte_behind_the_request(self):
        payload = bytes(range(256)) * 4096
        origin = self.origin(lambda wire: wire.send(wire.read_exactly(len(payload))[::-1]))
        client = self.greeted()
        sender = threading.Thread(target=lambda: client.send(request5("127.0.0.1", origin.port) + payload))
        sender.start()
        self.assertEqual(read_reply5(client)[0], GRANTED)
        self.assertEqual(client.read_exactly(len(payload)), payload[::-1])
        sender.join()

    def test_the_origin_speaks_first(self):
        origin = self.origin(lambda wire: (wire.send(b"220 hello\r\n"), echo(wire)))
        with self.tunnel4("127.0.0.1", origin.port) as client:
            self.assertEqual(client.read_until(b"\r\n"), b"220 hello\r\n")

    def test_beside_http_on_the_same_port(self):
        origin = self.origin(echo)
        with self.tunnel5("127.0.0.1", origin.port) as client:
            self.assert_serves()
            client.send(b"x")
            self.assertEqual(client.read_exactly(1), b"x")


class Ends(SocksTest):
    def test_client_half_closes_and_the_origin_answers_later(self):
        def serve(wire: Wire) -> None:
            asked = wire.read_to_end()
            wait_quietly(0.3)
            wire.send(b"you said " + asked)

        with self.tunnel5("127.0.0.1", self.origin(serve).port) as client:
            client.send(b"something")
            client.half_close()
            self.assertEqual(client.read_to_end(), b"you said something")

    def test_origin_half_closes_first_and_still_receives(self):
        received = []

        def serve(wire: Wire) -> None:
            wire.half_close()
            received.append(wire.read_to_end())

        origin = self.origin(serve)
        with self.tunnel4("127.0.0.1", origin.port) as client:
            self.assertEqual(client.read_to_end(), b"")
            client.send(b"thanks")
            client.half_close()
            origin.wait_until_free()
        self.assertEqual(received, [b"thanks"])

    def test_origin_resets(self):
        go = threading.Event()
        origin = self.origin(lambda wire: (go.wait(TIMEOUT), wire.reset()))
        with self.tunnel5("127.0.0.1", origin.port) as client:
            go.set()
            self.assertEqual(client.ended(), "reset")

    def test_client_resets(self):
        ends = []
        origin = self.origin(lambda wire: ends.append(wire.drained(TIMEOUT)))
        self.tunnel5("127.0.0.1", origin.port).reset()
        origin.wait_until_free()
        self.assertIn(ends, (["reset"], ["eof"]))

    def test_client_resets_while_the_connection_to_the_origin_is_made(self):
        with black_hole() as port:
            for text in (GREETING + request5("127.0.0.1", port), request4("127.0.0.1", port)):
                client = self.client()
                client.send(text + b"early")
                wait_until(lambda: self.proxy.tcp_states()["02"] == 1, "SYN-SENT", PROMPT)
                client.reset()
                wait_until(lambda: self.proxy.tcp_states()["02"] == 0, "the attempt is given up", PROMPT)


class Refusals(SocksTest):
    options = ("--connect-timeout-ms", "500")

    def test_each_error_has_its_code(self):
        with refusing_port() as port:
            self.assertEqual(self.refusal5(request5("127.0.0.1", port)), REFUSED)
        self.assertEqual(self.refusal5(request5("no-such-host.invalid", 80)), NO_HOST)
        with black_hole() as port:
            self.assertEqual(self.refusal5(request5("127.0.0.1", port)), TOO_LATE)

    def test_what_is_not_served(self):
        self.assertEqual(self.refusal5(request5("127.0.0.1", 80, BIND)), NO_COMMAND)
        self.assertEqual(self.refusal5(request5("127.0.0.1", 80, 4)), NO_COMMAND)
        self.assertEqual(self.refusal5(b"\5\1\0\2\1\2\3\4\0\x50"), NO_ADDRESS_TYPE)

    def test_rubbish(self):
        self.assertEqual(self.refusal5(request5("127.0.0.1", 0)), FAILED)
        self.assertEqual(self.refusal5(b"\5\1\1" + request5("127.0.0.1", 80)[3:]), FAILED)
        self.assertEqual(self.refusal5(b"\5\1\0\3\0\0\x50"), FAILED)
        for name in ("a b", "a\0b", "127.1", "0x7f.1", "2130706433", "[::1]", "x" * 70, "a\r\nb"):
            with self.subTest(name):
                self.assertEqual(self.refusal5(b"\5\1\0" + as_name(name, 80)), FAILED)

    def test_an_answer_arrives_whatever_is_sent_behind_the_request(self):
        for request_text in (request5("127.0.0.1", 80, BIND), b"\4" + request5("127.0.0.1", 80)[1:]):
            self.assertIn(self.refusal5(request_text + b"x" * 5000), (NO_COMMAND, FAILED))

    def test_no_method_in_common(self):
        for greeting in (b"\5\0", b"\5\1\2", b"\5\2\1\x80"):
            with self.subTest(greeting), self.client() as client:
                client.send(greeting)
                self.assertEqual(client.read_exactly(2), b"\5\xff")
                self.assertEqual(client.ended(), "eof")

    def test_version_4_has_one_answer_for_all(self):
        with refusing_port() as port:
            for text in (request4("127.0.0.1", port), request4("127.0.0.1", 80, BIND), request4("127.0.0.1", 80, 3),
                         request4("no-such-host.invalid", 80), request4("a b", 80), request4("127.0.0.1", 0),
                         b"\4\1\0\x50\1\2\3\4" + b"u" * 300, b"\4\1\0\x50\0\0\0\1\0" + b"n" * 300):
                with self.subTest(text), self.client() as client:
                    client.send(text)
                    self.assertEqual(client.read_exactly(8), b"\0\x5b" + bytes(6))
                    self.assertEqual(client.ended(), "eof")

    def test_a_wrong_version_of_a_later_message(self):
        with self.greeted() as client:
            client.send(b"\4\1\0")
            self.assertEqual(read_reply5(client)[0], FAILED)

    def test_a_flood_behind_the_first_byte_is_bounded(self):
        before = self.proxy.rss_peak()
        for start in (b"\5\1\0\5\1\0\3\xff", b"\4\1\0\x50\0\0\0\1"):
            with self.client() as client:
                try:
                    client.send(start + b"x" * 20_000_000)
                except OSError:
                    pass
                self.assertIn(client.drained(), ("eof", "reset"))
        self.assertLess(self.proxy.rss_peak() - before, 20_000)


HANDSHAKES = [GREETING + request5("localhost", 9), request4("localhost", 9), request4("127.0.0.1", 9)]


class Phases(SocksTest):
    options = ("--header-timeout-ms", "700")

    def test_whoever_stops_in_the_middle_is_left(self):
        started = time.monotonic()
        clients = []
        for text in HANDSHAKES:
            for size in range(1, len(text)):
                client = self.client()
                client.send(text[:size])
                clients.append(client)
        for client in clients:
            self.assertEqual(client.drained(), "eof")
        self.assertGreater(time.monotonic() - started, 0.6)

    def test_whoever_stops_is_told_and_has_a_record(self):
        path = self.folder() / "access.log"
        proxy = self.start_proxy(*self.options, "--access-log", str(path), "--access-log-format", "json")
        for count, (text, said) in enumerate(((b"\5", b"\5\xff"), (GREETING + b"\5\1\0", b"\5\0\5\1\0\1" + bytes(6)),
                                              (request4("127.0.0.1", 9)[:-1], b"\0\x5b" + bytes(6))), 1):
            with self.client(proxy) as client:
                client.send(text)
                self.assertEqual(client.read_to_end(), said)
            wait_until(lambda: path.read_bytes().count(b"\n") == count, "a record")
            found = json.loads(path.read_text().splitlines()[-1])
            self.assertEqual((found["status"], found["decision"], found["method"], found["target"], found["end_up"]),
                             (408, "refuse", None, None, "idle"), found)
            self.assertEqual(found["detail"], "the handshake did not come in time")

    def test_who_leaves_has_no_record_as_in_a_head_of_http(self):
        path = self.folder() / "access.log"
        proxy = self.start_proxy("--access-log", str(path), "--access-log-format", "json")
        for text in (b"\5", GREETING, GREETING + b"\5\1", request4("127.0.0.1", 9)[:-1], b"GET http://a/ HTTP/1.1\r\n"):
            for leave in (Wire.reset, Wire.close):
                client = self.client(proxy)
                client.send(text)
                leave(client)
        wait_until(lambda: proxy.socket_count() == proxy.sockets_at_start, "sockets closed", PROMPT)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)
        self.assertEqual(path.read_text(), "")

    def test_a_message_that_trickles_has_no_more_time(self):
        for text in HANDSHAKES:
            with self.client() as client:
                started = time.monotonic()
                with self.assertRaises(OSError):
                    for byte in text[:-1] + b"x" * 100:
                        client.send(bytes([byte]))
                        wait_quietly(0.15)
                self.assertLess(time.monotonic() - started, PROMPT)

    def test_whoever_goes_leaves_nothing(self):
        for leave in (Wire.reset, Wire.close, Wire.half_close):
            for text in HANDSHAKES:
                for size in range(1, len(text)):
                    client = self.client()
                    client.send(text[:size])
                    leave(client)
        wait_until(lambda: self.proxy.socket_count() == self.proxy.sockets_at_start, "sockets closed", PROMPT)
        self.assert_serves()


class Drain(SocksTest):
    def test_in_a_handshake_it_ends_at_once(self):
        clients = []
        for text in HANDSHAKES:
            for size in (1, 2, 3, len(text) - 1):
                client = self.client()
                client.send(text[:size])
                clients.append(client)
        greeted = self.greeted()
        # what came before this answer has been read by one of the loops; the others get a moment
        wait_quietly(0.2)
        started = time.monotonic()
        self.proxy.signal(signal.SIGTERM)
        self.assertEqual(greeted.ended(), "eof")
        self.assertEqual(self.proxy.wait(PROMPT), 0)
        self.assertLess(time.monotonic() - started, PROMPT)

    def test_a_tunnel_gets_its_time(self):
        with self.tunnel5("127.0.0.1", self.origin(echo).port) as client:
            self.proxy.signal(signal.SIGTERM)
            self.proxy.wait_for_log("draining")
            client.send(b"still there")
            self.assertEqual(client.read_exactly(11), b"still there")
        self.assertEqual(self.proxy.wait(PROMPT), 0)


class ManyAtOnce(SocksTest):
    def test_tunnels_of_all_versions_beside_requests(self):
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        failures = []

        def work(number: int) -> None:
            try:
                for turn in range(20):
                    text = b"%d %d" % (number, turn)
                    kind = (number + turn) % 3
                    client = Wire.connect(self.proxy.host, self.proxy.port)
                    with client:
                        if kind == 0:
                            client.send(request("GET", site.url()))
                            assert client.read_response().body == b"ok"
                            continue
                        client.send((GREETING + request5("127.0.0.1", origin.port) if kind == 1 else
                                     request4("localhost", origin.port)) + text)
                        skip = client.read_exactly(12 if kind == 1 else 8)
                        assert skip[-10 if kind == 1 else 0] in (5, 0), skip
                        assert client.read_exactly(len(text)) == text
                        client.half_close()
                        assert client.ended() == "eof"
            except Exception as failure:  # shown in the test's own thread
                failures.append(failure)

        workers = [threading.Thread(target=work, args=(number,)) for number in range(12)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    unittest.main()
