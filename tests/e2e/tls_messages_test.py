"""Messages of TLS 1.3 that come behind the handshake: new keys in pieces, in the middle of everything, and bad ones."""
import contextlib
import signal
import socket
import threading
import unittest

from origins import Site, bulk, echo, hold
from settings import MIB, PROMPT, SANITIZER, SCALE, TIMEOUT, memory
from socks import GRANTED, GREETING, read_reply5, request5
from tls_records import (ALERT, CLIENT_HELLO, CLOSE_NOTIFY, DATA, FINISHED, HANDSHAKE, KEY_UPDATE, TICKET,
                         USER_CANCELED, Records, key_update, message, taken)
from tls_test import TlsTest
from wire import Wire, request, response, wait_quietly, wait_until

ENDS = (None, "UNEXPECTED_EOF_WHILE_READING")  # what says nothing about why
WAYS = [(cut, ask) for cut in range(1, 5) for ask in (False, True)]  # of a message of five bytes


def pour(wire: Wire) -> None:
    while True:
        wire.send(b"down" * 1000)


class ByHand(TlsTest):
    def setUp(self) -> None:
        super().setUp()
        self.proxy, self.port = self.start_tls()

    def by_hand(self, port: int = 0) -> Wire:
        wire = Wire(Records(socket.create_connection(("127.0.0.1", port or self.port), TIMEOUT), self.ca.client()))
        self._clients.append(wire)
        return wire

    def tunnel_by_hand(self, authority: str, port: int = 0) -> Wire:
        client = self.by_hand(port)
        client.send(request("CONNECT", authority))
        self.assertEqual(client.read_response("CONNECT").status, 200)
        return client

    @staticmethod
    def rest(client: Wire, cut: int, ask: bool) -> bytes:
        """The record with the rest of a key_update of which the first bytes are there; the new key is used then."""
        record = client.socket.sealed(HANDSHAKE, key_update(ask)[cut:])
        client.socket.next_key()
        return record

    def change_key(self, client: Wire, cut: int, ask: bool) -> None:
        client.socket.send_half(key_update(ask), cut)
        client.socket.send_raw(self.rest(client, cut, ask))


class NewKeysInPieces(ByHand):
    def test_between_requests(self):
        site, client = self.site(lambda asked: response("ok")), self.by_hand()
        for cut, ask in WAYS:
            self.change_key(client, cut, ask)
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
            # and in one segment with the next request
            client.socket.send_half(key_update(ask), cut)
            rest = self.rest(client, cut, ask)
            client.socket.send_raw(rest + client.socket.sealed(DATA, request("GET", site.url())))
            self.assertEqual(client.read_response().body, b"ok")

    def test_in_the_middle_of_a_head(self):
        site, client = self.site(lambda asked: response("ok")), self.by_hand()
        for cut, ask in WAYS:
            head = request("GET", site.url("/long"), fields=[("X-Long", "y" * 3000)])
            client.send(head[:1000])
            self.change_key(client, cut, ask)
            client.send(head[1000:])
            self.assertEqual(client.read_response().body, b"ok")
        self.assertEqual({asked.get("X-Long") for asked in site.requests}, {"y" * 3000})

    def test_while_the_origin_thinks(self):
        answer_now = threading.Event()
        site = self.site(lambda asked: (answer_now.wait(TIMEOUT), response("late"))[1])
        client = self.by_hand()
        for cut, ask in WAYS:
            answer_now.clear()
            client.send(request("POST", site.url(), body=b"all of it"))
            # whether it is read before the answer is sent is the proxy's business
            client.socket.send_record(HANDSHAKE, key_update(ask)[:cut])
            answer_now.set()
            client.socket.send_raw(self.rest(client, cut, ask))
            self.assertEqual(client.read_response().body, b"late")

    def test_in_an_upload_while_the_answer_is_sent(self):
        part, down = b"up" * 20_000, b"down" * 100_000
        half, tried = threading.Event(), threading.Event()

        def answer(wire: Wire) -> None:
            while wire.read_head() is not None:
                self.assertEqual(wire.read_exactly(len(part)), part)
                wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(down) + 6) + down)
                half.wait(TIMEOUT)
                wire.send(b"middle")
                wait_until(lambda: taken(wire.socket), "the proxy has it and cannot send it")
                tried.set()
                self.assertEqual(wire.read_exactly(len(part)), part)
                wire.send(down)

        origin = self.origin(answer)
        for cut, ask in WAYS:
            half.clear()
            tried.clear()
            client = self.by_hand()
            client.send(request("POST", origin.url(), fields=[("Content-Length", str(2 * len(part)))]) + part)
            self.assertEqual(client.read_head().status, 200)
            self.assertEqual(client.read_exactly(len(down)), down)
            client.send(part[:1000])
            client.socket.send_half(key_update(ask), cut)
            half.set()
            self.assertTrue(tried.wait(TIMEOUT))
            client.socket.send_raw(self.rest(client, cut, ask))
            self.assertEqual(client.read_exactly(6), b"middle")
            client.send(part[1000:])
            self.assertEqual(client.read_exactly(len(down)), down)
            self.assertEqual(client.ended(), "eof")

    def test_in_a_handshake_of_socks(self):
        client = self.by_hand()
        client.send(GREETING[:2])
        self.change_key(client, 1, True)
        client.send(GREETING[2:])
        self.assertEqual(client.read_exactly(2), b"\5\0")
        self.change_key(client, 2, True)
        client.send(request5("127.0.0.1", self.origin(echo).port))
        self.assertEqual(read_reply5(client)[0], GRANTED)
        self.change_key(client, 3, True)
        client.send(b"there and back")
        self.assertEqual(client.read_exactly(14), b"there and back")

    def test_in_a_tunnel_with_data_both_ways(self):
        size, step = MIB, 1 << 16
        client, seen = self.tunnel_by_hand(self.origin(echo).authority), []

        def send() -> None:
            blocks = [block[at:at + step] for block in bulk(size) for at in range(0, len(block), step)]
            for number, block in enumerate(blocks):
                cut, ask = WAYS[number % len(WAYS)]
                client.send(block)
                self.change_key(client, cut, ask)
            client.socket.say_end()

        sender = threading.Thread(target=send)
        sender.start()
        try:
            while data := client.read_some():
                seen.append(data)
        finally:
            sender.join()
        self.assertEqual(b"".join(seen), b"".join(bulk(size)))

    def test_ends_behind_them(self):
        """close_notify in the same segment as the rest, and the origin's end meanwhile."""
        for cut, ask in WAYS:
            client = self.tunnel_by_hand(self.origin(echo).authority)
            client.socket.send_half(key_update(ask), cut)
            records = [self.rest(client, cut, ask), client.socket.sealed(DATA, b"last"),
                       client.socket.sealed(ALERT, CLOSE_NOTIFY)]
            client.socket.send_raw(b"".join(records))
            self.assertEqual(client.read_exactly(4), b"last")
            self.assertEqual(client.ended(), "eof")
            client.close()
            client = self.tunnel_by_hand(self.origin(lambda wire: wire.read_exactly(4)).authority)
            client.send(b"bye!")
            client.socket.send_half(key_update(ask), cut)
            client.socket.send_raw(self.rest(client, cut, ask))
            self.assertEqual(client.ended(), "eof")


class NeverCompleted(ByHand):
    """The first bytes of a message and then nothing: what the proxy would still say cannot be said."""

    def idle(self, port: int) -> Wire:
        client = self.by_hand(port)
        client.send(request("GET", self.site(lambda asked: response("ok")).url()))
        self.assertEqual(client.read_response().body, b"ok")
        return client

    def head(self, port: int) -> Wire:
        client = self.by_hand(port)
        client.send(b"GET http://a/ HTTP/1.1\r\nHo")
        return client

    def upload(self, port: int) -> Wire:
        def answer(wire: Wire) -> None:
            wire.read_head()
            wire.read_exactly(5)
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            pour(wire)

        client = self.by_hand(port)
        client.send(request("POST", self.origin(answer).url(), fields=[("Content-Length", "10")]) + b"01234")
        self.assertEqual(client.read_head().status, 200)
        return client

    def tunnel_idle(self, port: int) -> Wire:
        return self.tunnel_by_hand(self.origin(hold).authority, port)

    def tunnel_busy(self, port: int) -> Wire:
        return self.tunnel_by_hand(self.origin(pour).authority, port)

    def clients(self, port: int) -> list[Wire]:
        """One in each state in which the proxy can be, with the first bytes sent. From the fourth on OpenSSL knows of a
        message and writes nothing; with three what flows would flow on."""
        quiet, busy = (self.idle, self.head, self.tunnel_idle), (self.upload, self.tunnel_busy)
        made = []
        for cut, states in ((3, quiet), (4, quiet + busy)):
            for state in states:
                client = state(port)
                client.socket.send_record(HANDSHAKE, key_update()[:cut])
                made.append(client)
        return made

    def wait_until_origins_are_free(self) -> None:
        for origin in self._origins:
            if not isinstance(origin, Site):  # one of those may be in the pool
                origin.wait_until_free()

    def test_it_is_given_up_in_time(self):
        limits = ("keep-alive", "header", "response", "idle")
        _, port = self.start_tls(*(word for each in limits for word in (f"--{each}-timeout-ms", str(700 * SCALE))))
        for client in self.clients(port):
            client.drained()
        self.wait_until_origins_are_free()

    def test_the_client_leaves(self):
        for leave in (Wire.reset, Wire.close, Wire.half_close, lambda client: client.socket.say_end()):
            clients = self.clients(self.port)
            for client in clients:
                leave(client)
            self.wait_until_origins_are_free()
            for client in clients:
                if client.socket.fileno() >= 0:
                    client.drained()
                    client.close()
        self.assert_serves()

    def test_an_end_in_the_middle_ends_it_while_nothing_is_read(self):
        """close_notify has no place there, so it is no half-close: the origin is not kept pouring for nobody."""
        origin = self.origin(pour)
        client = self.tunnel_by_hand(origin.authority)
        waiting, before = client.socket.waiting(), -1
        while waiting != before:  # until everything on the way is full
            wait_quietly(0.3)
            waiting, before = client.socket.waiting(), waiting
        client.socket.send_record(HANDSHAKE, key_update()[:4])
        client.socket.say_end()
        origin.wait_until_free()

    def test_a_drain_ends_it(self):
        proxy, port = self.start_tls("--drain-timeout-ms", "200")
        self.clients(port)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)


class Hostile(ByHand):
    """Each is answered with an alert, or served; and costs little."""

    def alert(self, *records: tuple[int, bytes]) -> str | None:
        """What the records do to an idle connection: it always ends. None: without an alert, or it was lost behind a
        reset, as happens if there is more than one record."""
        client = self.by_hand()
        with self.assertRaises(OSError) as raised:
            for kind, content in records:
                client.socket.send_record(kind, content)
            client.read_to_end()
        client.close()
        return getattr(raised.exception, "reason", None)

    def test_messages_that_nobody_may_send(self):
        unexpected, bad_value = "SSLV3_ALERT_UNEXPECTED_MESSAGE", "SSLV3_ALERT_ILLEGAL_PARAMETER"
        for what, why in ((message(99, b""), unexpected), (message(99, bytes(5000)), unexpected),
                          (message(CLIENT_HELLO, bytes(40)), unexpected), (message(TICKET, bytes(40)), unexpected),
                          (message(FINISHED, bytes(32)), unexpected), (key_update() * 2, unexpected),
                          (message(KEY_UPDATE, b""), "TLSV1_ALERT_DECODE_ERROR"),
                          (message(KEY_UPDATE, b"\0\0"), bad_value), (message(KEY_UPDATE, b"\2"), bad_value),
                          (b"\x18\xff\xff\xff\0", bad_value), (b"\x63\xff\xff\xff\0", unexpected)):
            self.assertEqual(self.alert((HANDSHAKE, what)), why, what)
            for cut in (1, 4):
                self.assertIn(self.alert((HANDSHAKE, what[:cut]), (HANDSHAKE, what[cut:])), (why, *ENDS), what)
        self.assert_serves()

    def test_records_that_nobody_may_send(self):
        unexpected = "SSLV3_ALERT_UNEXPECTED_MESSAGE"
        for kind, content in ((HANDSHAKE, b""), (ALERT, b""), (20, b"\1"), (99, b"\1")):
            self.assertEqual(self.alert((kind, content)), unexpected, kind)
        self.assertIn(self.alert((ALERT, b"\2\x50")), ENDS)  # is no answer to an alert
        self.alert(*[(ALERT, USER_CANCELED)] * 50)  # to be passed over, but not for ever
        # data between the parts of a message, and with the key from before
        for cut in (2, 4):
            self.assertEqual(self.alert((HANDSHAKE, key_update()[:cut]), (DATA, b"GET ")), unexpected, cut)
        self.assertEqual(self.alert((HANDSHAKE, key_update()), (DATA, b"GET ")), "SSLV3_ALERT_BAD_RECORD_MAC")
        self.assert_serves()

    def test_bytes_that_are_no_record_any_more(self):
        for text in (b"\x17\3\3\0\0", b"\x17\3\3\0\0" * 1000, b"\x17\3\3\0\1x", b"\x17\3\3\xff\xff", b"\x16\3\3\0\1\0",
                     b"\x14\3\3\0\1\1", b"\x15\3\3\0\2\1\0", b"\x17\2\0\0\1x", b"GET / HTTP/1.1\r\n\r\n"):
            client = self.by_hand()
            with contextlib.suppress(ConnectionError):
                client.socket.send_raw(text)
            self.assertEqual(client.ended(), "reset", text)
            client.close()
        self.assert_serves()

    def test_many_new_keys(self):
        site, origin = self.site(lambda asked: response("ok")), self.origin(echo)
        for ask in (False, True):
            for client, asks in ((self.by_hand(), request("GET", site.url())),
                                 (self.tunnel_by_hand(origin.authority), response("ok"))):
                before = self.proxy.cpu_seconds()
                for _ in range(20):
                    client.socket.send_raw(b"".join(client.socket.update_key(ask) for _ in range(50)))
                client.send(asks)
                self.assertEqual(client.read_response().body, b"ok")
                self.assertLess(self.proxy.cpu_seconds() - before, SCALE, "seconds for 1000")

    def test_who_asks_for_new_keys_and_reads_nothing_is_left(self):
        """When the answers to it, which cannot be sent, have become too many."""
        origin = self.origin(pour)
        client = self.tunnel_by_hand(origin.authority)
        before, memory_before = self.proxy.cpu_seconds(), self.proxy.rss()
        with contextlib.suppress(ConnectionError):  # all of it may lie in the kernel before the proxy has read it
            for _ in range(2000):
                client.socket.send_raw(b"".join(client.socket.update_key(True) for _ in range(100)))
        origin.wait_until_free()
        self.assertLess(self.proxy.cpu_seconds() - before, 5 * SCALE)
        if not SANITIZER:  # they keep what was freed
            self.assertLess(self.proxy.rss() - memory_before, memory(8))

    def test_empty_records(self):
        site = self.site(lambda asked: response("ok"))
        client = self.by_hand()
        for _ in range(20):  # some may hide how much is said
            client.socket.send_raw(b"".join(client.socket.sealed(DATA, b"") for _ in range(20)))
            client.send(request("GET", site.url()))
            self.assertEqual(client.read_response().body, b"ok")
        before = self.proxy.cpu_seconds()
        self.alert(*[(DATA, b"")] * 1000)
        self.assertLess(self.proxy.cpu_seconds() - before, SCALE, "seconds for 1000")
        self.assert_serves()


if __name__ == "__main__":
    unittest.main()
