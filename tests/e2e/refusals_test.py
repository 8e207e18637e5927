"""Requests that are refused: the right status, a text page, the end of the connection; the origin sees nothing."""
import unittest

from harness import ProxyTest
from wire import Message, Wire, request, response

POST = "POST http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n"
GET = "GET http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n"

TEMPLATES = {
    # what two parsers could read in two ways
    "Content-Length twice, equal": (400, POST + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody"),
    "Content-Length twice, different": (400, POST + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!"),
    "Content-Length as a list": (400, POST + "Content-Length: 4, 4\r\n\r\nbody"),
    "Content-Length with a sign": (400, POST + "Content-Length: +4\r\n\r\nbody"),
    "Content-Length negative": (400, POST + "Content-Length: -1\r\n\r\n"),
    "Content-Length in hexadecimal": (400, POST + "Content-Length: 0x4\r\n\r\nbody"),
    "Content-Length empty": (400, POST + "Content-Length:\r\n\r\n"),
    "Content-Length of 2^64 + 4": (400, POST + "Content-Length: 18446744073709551620\r\n\r\nbody"),
    "CL.TE": (400, POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "TE.CL": (400, POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "TE.TE": (400, POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    "chunked twice": (400, POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "chunked not last": (400, POST + "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": (400, "POST http://ORIGIN/ HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "unknown Transfer-Encoding": (501, POST + "Transfer-Encoding: gzip\r\n\r\n"),
    "unknown before chunked": (501, POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "nearly chunked": (501, POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    # lines
    "obs-fold": (400, GET + "X: a\r\n b\r\n\r\n"),
    "obs-fold with a tab": (400, GET + "X: a\r\n\tb\r\n\r\n"),
    "obs-fold in the first field": (400, "GET http://ORIGIN/ HTTP/1.1\r\n Host: ORIGIN\r\n\r\n"),
    "obs-fold hides chunked": (400, POST + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    "bare LF everywhere": (400, "GET http://ORIGIN/ HTTP/1.1\nHost: ORIGIN\n\n"),
    "bare LF after a field": (400, GET + "X: a\nY: b\r\n\r\n"),
    "bare LF at the end": (400, GET + "\n"),
    "bare CR in a value": (400, GET + "X: a\rb\r\n\r\n"),
    "space before a colon": (400, GET + "X : a\r\n\r\n"),
    "space before the colon of Content-Length": (400, POST + "Content-Length : 4\r\n\r\nbody"),
    "tab before a colon": (400, GET + "X\t: a\r\n\r\n"),
    "no colon": (400, GET + "X\r\n\r\n"),
    "empty name": (400, GET + ": a\r\n\r\n"),
    "NUL in a name": (400, GET + "X\0: a\r\n\r\n"),
    "NUL in a value": (400, GET + "X: a\0b\r\n\r\n"),
    "NUL in the target": (400, "GET http://ORIGIN/\0 HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "space in the target": (400, "GET http://ORIGIN/a b HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "two spaces": (400, "GET  http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "bytes above ASCII in the target": (400, "GET http://ORIGIN/\xe4 HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "a fragment": (400, "GET http://ORIGIN/#x HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "a method that is no token": (400, "GE(T http://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "no version": (400, "GET http://ORIGIN/\r\nHost: ORIGIN\r\n\r\n"),
    "a TLS hello": (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more of it\r\n\r\n"),
    # versions
    "HTTP/2.0": (505, "GET http://ORIGIN/ HTTP/2.0\r\nHost: ORIGIN\r\n\r\n"),
    "the preface of HTTP/2": (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (505, "GET http://ORIGIN/ HTTP/0.9\r\n\r\n"),
    "HTTP/1.2": (505, "GET http://ORIGIN/ HTTP/1.2\r\nHost: ORIGIN\r\n\r\n"),
    # where to
    "no Host": (400, "GET http://ORIGIN/ HTTP/1.1\r\nX: y\r\n\r\n"),
    "two Hosts, equal": (400, GET + "Host: ORIGIN\r\n\r\n"),
    "two Hosts, different": (400, GET + "host: other\r\n\r\n"),
    "two Hosts in HTTP/1.0": (400, "GET http://ORIGIN/ HTTP/1.0\r\nHost: ORIGIN\r\nHost: other\r\n\r\n"),
    "a bad Host beside a good target": (400, "GET http://ORIGIN/ HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "origin-form": (400, "GET / HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "asterisk-form": (400, "OPTIONS * HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "neither path nor URL": (400, "GET ORIGIN HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "https in a URL": (400, "GET https://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "ftp in a URL": (400, "GET ftp://ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "userinfo": (400, "GET http://user:secret@ORIGIN/ HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "userinfo in CONNECT": (400, "CONNECT user@ORIGIN HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "empty host": (400, "GET http:///x HTTP/1.1\r\nHost: ORIGIN\r\n\r\n"),
    "port 0 in a URL": (400, "GET http://127.0.0.1:0/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "port 65536 in a URL": (400, "GET http://127.0.0.1:65536/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an address in one number": (400, "GET http://2130706433:PORT/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an address in short": (400, "GET http://127.1:PORT/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT without port": (400, "CONNECT 127.0.0.1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    "CONNECT with an empty port": (400, "CONNECT 127.0.0.1: HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
    "CONNECT to port 0": (400, "CONNECT 127.0.0.1:0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT to port 65536": (400, "CONNECT 127.0.0.1:65536 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT to port 65536 + PORT": (400, "CONNECT 127.0.0.1:WRAPPED HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT to port abc": (400, "CONNECT 127.0.0.1:abc HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT to a negative port": (400, "CONNECT 127.0.0.1:-1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT with a path": (400, "CONNECT ORIGIN/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT with a URL": (400, "CONNECT http://ORIGIN HTTP/1.1\r\nHost: a\r\n\r\n"),
    "CONNECT without Host": (400, "CONNECT ORIGIN HTTP/1.1\r\n\r\n"),
    "CONNECT with a body": (400, "CONNECT ORIGIN HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
    "CONNECT with bare LF": (400, "CONNECT ORIGIN HTTP/1.1\nHost: a\n\n"),
}


class Refusals(ProxyTest):
    def setUp(self) -> None:
        super().setUp()
        self.forwarded: list[bytes] = []
        self.target = self.origin(lambda wire: self.forwarded.append(wire.read_some()))

    def fill_in(self, template: str) -> bytes:
        text = template.replace("ORIGIN", self.target.authority).replace("PORT", str(self.target.port))
        return text.replace("WRAPPED", str(self.target.port + 65536)).encode("latin-1")

    def read_refusal(self, client: Wire, *statuses: int) -> Message:
        answer = client.read_response()
        self.assert_own_answer(answer, *statuses)
        self.assertIn("close", answer.options())
        self.assertIn(client.drained(), ("eof", "reset"))
        self.assertEqual(client.buffer, b"")
        return answer

    def assert_origin_saw_nothing(self) -> None:
        # what was sent before a request that works would have arrived before it
        answer = self.get(self.site(lambda asked: response("ok")).url())
        self.assertEqual(answer.status, 200)
        self.assertEqual((self.target.accepted, self.forwarded), (0, []))

    def test_each(self):
        for name, (status, template) in TEMPLATES.items():
            with self.subTest(name):
                with self.client() as client:
                    client.send(self.fill_in(template))
                    self.read_refusal(client, status)
                self.assertEqual((self.target.accepted, self.forwarded), (0, []))
        self.assert_origin_saw_nothing()

    def test_byte_by_byte(self):
        for name in ("TE.CL", "obs-fold", "bare LF after a field", "userinfo", "no Host"):
            status, template = TEMPLATES[name]
            with self.subTest(name), self.client() as client:
                try:
                    for byte in self.fill_in(template):
                        client.send(bytes([byte]))
                except OSError:
                    pass  # refused before it was complete
                self.read_refusal(client, status)
        self.assert_origin_saw_nothing()

    def test_what_follows_a_refused_request_is_not_read(self):
        good = request("GET", self.target.url("/smuggled"))
        for name in ("CL.TE", "TE.TE", "bare LF at the end", "two Hosts, equal", "origin-form"):
            status, template = TEMPLATES[name]
            with self.subTest(name), self.client() as client:
                client.send(self.fill_in(template) + good)
                self.read_refusal(client, status)
        self.assert_origin_saw_nothing()

    def test_a_good_request_before_a_bad_one_is_answered_first(self):
        site = self.site(lambda asked: response("fine"))
        with self.client() as client:
            client.send(request("GET", site.url()) + self.fill_in(TEMPLATES["CL.TE"][1]))
            self.assertEqual(client.read_response().body, b"fine")
            self.read_refusal(client, 400)
        self.assertEqual(len(site.requests), 1)
        self.assert_origin_saw_nothing()

    def test_an_answer_of_ours_is_given_once(self):
        """Requests in one piece: what we answer ourselves must not come again before the next one's answer."""
        site = self.site(lambda asked: response(asked.target))
        failing = request("GET", "http://nobody.invalid/")
        asking_us = request("OPTIONS", site.url("/us"), fields=[("Max-Forwards", "0")])
        for name, first, status in (("refusal", failing, 502), ("options", asking_us, 200)):
            with self.subTest(name), self.client() as client:
                client.send(first + request("GET", site.url("/one")) + request("GET", site.url("/two")))
                answers = [client.read_response() for _ in range(3)]
                self.assertEqual([each.status for each in answers], [status, 200, 200])
                self.assertEqual([each.body for each in answers[1:]], [b"/one", b"/two"])

    def test_what_a_refusal_quotes_cannot_add_to_it(self):
        with self.client() as client:
            client.send(b"GET http://a\"><script>alert(1)</script>/ HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = self.read_refusal(client, 400)
            self.assertNotIn(b"\0", answer.body)

    def test_one_empty_line_before_a_request_is_tolerated(self):
        site = self.site(lambda asked: response("ok"))
        self.assertEqual(self.ask(b"\r\n" + request("GET", site.url())).body, b"ok")


if __name__ == "__main__":
    unittest.main()
