"""Where bodies begin and end: chunks, trailers, Expect, interim responses, bodies that are not there or cut off."""
import threading
import unittest

import settings
from harness import ProxyTest
from settings import PROMPT, TIMEOUT
from wire import Message, Truncated, Wire, chunked, request, response, wait_quietly, wait_until

CHUNKED = [("Transfer-Encoding", "chunked")]
CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Chunks(ProxyTest):
    def test_request_with_trailers(self):
        site = self.site(lambda asked: response("ok"))
        body = b"4\r\nWiki\r\n5\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n0\r\nX-Sum: 42\r\nX-Two: \r\n\r\n"
        head = request("POST", site.url(), fields=[*CHUNKED, ("Trailer", "X-Sum")])
        self.assertEqual(self.ask(head + body).status, 200)
        seen = site.requests[0]
        self.assertEqual((seen.framing, seen.body), ("chunked", b"Wikipedia in\r\n\r\nchunks."))
        self.assertEqual(seen.trailers, [("X-Sum", "42"), ("X-Two", "")])

    def test_extensions_of_chunks_stay_on_this_connection(self):
        site = self.site(lambda asked: CHUNKED_HEAD + b"3;a=b;c=\"d e\"\r\nabc\r\n0;last\r\n\r\n")
        answer = self.ask(request("POST", site.url(), fields=CHUNKED) + b"2;x\r\nhi\r\n0\r\n\r\n")
        self.assertEqual((answer.body, site.requests[0].body), (b"abc", b"hi"))

    def test_response_with_trailers(self):
        site = self.site(lambda asked: CHUNKED_HEAD + chunked(b"one", b"two" * 9, trailers=[("X-Sum", "7")]))
        with self.client() as client:
            for _ in range(2):
                client.send(request("GET", site.url(), fields=[("TE", "trailers"), ("Connection", "TE")]))
                answer = client.read_response()
                self.assertEqual((answer.framing, answer.body), ("chunked", b"one" + b"two" * 9))
                self.assertEqual(answer.trailers, [("X-Sum", "7")])

    def test_empty_bodies(self):
        site = self.site(lambda asked: response() if asked.target == "/length" else CHUNKED_HEAD + chunked())
        with self.client() as client:
            for target, framing in (("/length", "length"), ("/chunked", "chunked")):
                client.send(request("POST", site.url(target), body=b""))
                answer = client.read_response()
                self.assertEqual((answer.framing, answer.body), (framing, b""))
                client.send(request("POST", site.url(target), fields=CHUNKED) + chunked())
                self.assertEqual(client.read_response().body, b"")
        self.assertEqual([(each.framing, each.body) for each in site.requests],
                         [("length", b""), ("chunked", b"")] * 2)

    def test_chunks_pass_as_they_come(self):
        """Neither direction waits for the whole body."""
        def serve(wire: Wire) -> None:
            wire.read_head()
            for _ in range(3):
                piece = wire.read_chunk()
                if piece == b"first":
                    wire.send(CHUNKED_HEAD)
                wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.assertEqual((wire.read_chunk(), wire.read_trailers()), (b"", []))
            wire.send(b"0\r\n\r\n")

        with self.client() as client:
            client.send(request("POST", self.origin(serve).url(), fields=CHUNKED))
            client.send(b"5\r\nfirst\r\n")
            self.assertEqual(client.read_head().status, 200)
            self.assertEqual(client.read_chunk(), b"first")
            for piece in (b"second", b"third"):
                client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.assertEqual(client.read_chunk(), piece)
            client.send(b"0\r\n\r\n")
            self.assertEqual((client.read_chunk(), client.read_trailers()), (b"", []))

    def test_a_body_with_a_length_passes_as_it_comes(self):
        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            for _ in range(6):
                wire.send(wire.read_exactly(1))

        with self.client() as client:
            client.send(request("POST", self.origin(serve).url(), fields=[("Content-Length", "6")]))
            for byte in b"stream":
                client.send(bytes([byte]))
                if byte == ord("s"):
                    client.read_head()
                self.assertEqual(client.read_exactly(1), bytes([byte]))

    def test_a_chunk_that_bends_the_grammar_never_completes_at_the_origin(self):
        for bad in (b"5\r\nab", b"3\r\nabcd\r\n0\r\n\r\n", b"x\r\n\r\n", b"-1\r\n\r\n", b"3\nabc\r\n0\r\n\r\n",
                    b"0x3\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc", b"10000000000000003\r\nabc\r\n0\r\n\r\n",
                    b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", b"3\r\nabc\r\n0\r\nX : y\r\n\r\n"):
            with self.subTest(bad), self.client() as client:
                complete = []

                def serve(wire: Wire) -> None:
                    try:
                        if wire.read_request():
                            complete.append(True)
                            wire.send(response("ok"))
                    except Truncated:
                        pass

                origin = self.origin(serve)
                client.send(request("POST", origin.url(), fields=CHUNKED) + bad)
                client.half_close()
                answer = client.read_to_end()
                self.assertIn(answer[:12], (b"", b"HTTP/1.1 400"))
                origin.wait_until_free(0)
                self.assertEqual(complete, [])


class Expect(ProxyTest):
    def ask_first(self, url: str, body: bytes) -> tuple[Message, bool]:
        """A client that sends the body only after 100; the final answer and whether the body was sent."""
        with self.client() as client:
            fields = [("Expect", "100-continue"), ("Content-Length", str(len(body)))]
            client.send(request("POST", url, fields=fields))
            head = client.read_head()
            if head.status != 100:
                return client.read_body(head), False
            client.send(body)
            return client.read_response(), True

    def test_the_origin_says_continue(self):
        early = []

        def serve(wire: Wire) -> None:
            head = wire.read_head()
            self.assertEqual(head.get("Expect").lower(), "100-continue")
            early.append(not wire.silent_for(0.3))
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            wire.send(response(wire.read_exactly(int(head.get("Content-Length")))))

        answer, sent = self.ask_first(self.origin(serve).url(), b"body" * 100)
        self.assertEqual((answer.status, answer.body, sent), (200, b"body" * 100, True))
        self.assertEqual(early, [False], "no byte of the body before the 100")

    def test_the_origin_refuses(self):
        for status in ("417 Expectation Failed", "413 Content Too Large"):
            for close in (True, False):
                with self.subTest(status, close=close):
                    more = []

                    def serve(wire: Wire) -> None:
                        wire.read_head()
                        wire.send(response("no", status=status, fields=[("Connection", "close")] if close else []))
                        if not close:
                            try:
                                more.append(wire.read_some())
                            except OSError:
                                more.append(b"")

                    origin = self.origin(serve)
                    answer, sent = self.ask_first(origin.url(), b"body")
                    self.assertEqual((answer.status, answer.body, sent), (int(status[:3]), b"no", False))
                    origin.wait_until_free()
                    self.assertIn(more, ([], [b""]), "the refused body reached the origin")

    def test_the_origin_ignores_it_and_the_client_does_not_wait(self):
        site = self.site(lambda asked: response(asked.body))
        answer = self.ask(request("POST", site.url(), fields=[("Expect", "100-continue")], body=b"at once"))
        self.assertEqual((answer.status, answer.body), (200, b"at once"))

    def test_what_else_is_expected_is_refused(self):
        site = self.site(lambda asked: response("ok"))
        answer = self.ask(request("POST", site.url(), fields=[("Expect", "wonders")], body=b""))
        self.assertIn(answer.status, (200, 417))

    def test_curl_waits_for_the_100(self):
        def serve(wire: Wire) -> None:
            head = wire.read_head()
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")
            wire.send(response(str(len(wire.read_exactly(int(head.get("Content-Length")))))))

        done = self.curl(self.origin(serve).url(), "-H", "Expect: 100-continue", "--expect100-timeout", "30",
                         "--max-time", "20", "--data-binary", "@-", data=b"x" * 3_000_000)
        self.assertEqual(done, b"3000000")


class Interim(ProxyTest):
    def test_early_hints_are_forwarded_as_they_come(self):
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def serve(wire: Wire) -> None:
            wire.read_request()
            wire.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
            go_on.wait(TIMEOUT)
            wire.send("HTTP/1.1 102 Processing\r\n\r\n")
            wire.send(response("done"))

        with self.client() as client:
            client.send(request("GET", self.origin(serve).url()))
            hint = client.read_head()
            self.assertEqual((hint.status, hint.get("Link")), (103, "</style.css>; rel=preload"))
            self.assertEqual((hint.get("Content-Length"), hint.get("Transfer-Encoding")), (None, None))
            go_on.set()
            answer = client.read_response()
            self.assertEqual(([each.status for each in answer.interim], answer.body), ([102], b"done"))

    def test_endless_interim_responses_are_cut_off(self):
        def serve(wire: Wire) -> None:
            wire.read_request()
            while True:
                wire.send("HTTP/1.1 103 Early Hints\r\n\r\n")

        with self.client() as client:
            client.send(request("GET", self.origin(serve).url()))
            self.assertEqual(client.read_response().status, 502)


class NoBody(ProxyTest):
    def test_head_204_and_304_and_then_another_request(self):
        answers = {
            ("HEAD", "/"): response(length=1000),
            ("HEAD", "/chunked"): CHUNKED_HEAD,
            ("GET", "/204"): b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
            ("GET", "/304"): b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 1000\r\n\r\n",
            ("GET", "/"): response("body"),
        }
        site = self.site(lambda asked: answers[asked.method, asked.target])
        with self.client() as client:
            for method, target in [*answers, *answers]:
                client.send(request(method, site.url(target)))
                answer = client.read_response(method)
                expected = b"body" if (method, target) == ("GET", "/") else b""
                self.assertEqual(answer.body, expected, target)
                if (method, target) in (("HEAD", "/"), ("GET", "/304")):
                    self.assertEqual(answer.get("Content-Length"), "1000")
                if target == "/204":
                    self.assertEqual((answer.get("Content-Length"), answer.get("Transfer-Encoding")), (None, None))
            self.assertTrue(client.silent_for(0.1), "nothing after the last answer")
        self.assertEqual(site.accepted, 1)

    def test_a_head_request_that_fails_gets_no_body_either(self):
        with self.client() as client:
            client.send(request("HEAD", "http://127.0.0.1:1/"))
            self.assertEqual(client.read_response("HEAD").status, 502)
            self.assertIn(client.drained(), ("eof", "reset")) if not client.silent_for(0.2) else None
            self.assertEqual(client.buffer, b"")


class UntilTheEnd(ProxyTest):
    def test_a_response_without_length_is_complete_at_the_end(self):
        def serve(wire: Wire) -> None:
            wire.read_request()
            wire.send("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nfirst ")
            wait_quietly(0.2)
            wire.send("second")

        with self.client() as client:
            client.send(request("GET", self.origin(serve).url()))
            answer = client.read_response()
            self.assertEqual((answer.status, answer.body), (200, b"first second"))
            self.assertIn(answer.framing, ("chunked", "eof"))

    def test_a_slow_origin_is_waited_for(self):
        site = self.site(lambda asked: (wait_quietly(0.5), response("late"))[1])
        self.assertEqual(self.get(site.url()).body, b"late")


class CutOff(ProxyTest):
    """The client must see that something is missing, never a short body that looks complete."""

    def cut(self, data: bytes, how: str) -> str:
        def serve(wire: Wire) -> None:
            wire.read_request()
            wire.send(data)
            wait_quietly(0.1)  # let the data pass before the reset overtakes it
            if how == "reset":
                wire.reset()

        return self.origin(serve).url()

    def assert_broken(self, data: bytes, how: str, version: str = "1.1") -> None:
        with self.subTest(data=data[:40], how=how, version=version), self.client() as client:
            client.send(request("GET", self.cut(data, how), version=version))
            try:
                answer = client.read_response()
            except (Truncated, ConnectionResetError):
                return
            self.assertEqual((answer.status, answer.body[:4]), (502, b"502 "), f"looks complete: {answer}")

    def test_length(self):
        for how in ("eof", "reset"):
            self.assert_broken(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", how)
            self.assert_broken(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", how, "1.0")
            self.assert_broken(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", how)

    def test_chunks(self):
        for how in ("eof", "reset"):
            for body in (b"", b"5\r\nab", b"5\r\nabcde\r\n", b"5\r\nabcde\r\n0\r\n", b"5\r\nabcde\r\n0\r\nX: y\r\n"):
                self.assert_broken(CHUNKED_HEAD + body, how)

    def test_chunks_to_a_client_that_reads_until_the_end(self):
        self.assert_broken(CHUNKED_HEAD + b"5\r\nabcde\r\n", "eof", "1.0")
        self.assert_broken(CHUNKED_HEAD + b"5\r\nabcde\r\n", "reset", "1.0")

    def test_until_the_end_but_reset(self):
        self.assert_broken(b"HTTP/1.0 200 OK\r\n\r\nabcde", "reset")
        self.assert_broken(b"HTTP/1.0 200 OK\r\n\r\nabcde", "reset", "1.0")

    def test_chunks_that_are_none(self):
        for body in (b"zz\r\n", b"5\r\nabcdefg\r\n", b"3\nabc\r\n0\r\n\r\n"):
            self.assert_broken(CHUNKED_HEAD + body, "eof")

    def test_no_answer_or_none_that_could_be_read_is_502(self):
        for data in (b"", b"HTTP/1.1 200 OK\r\nCont", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n",
                     b"HTTP/1.1 200 OK\nX: y\n\n", b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nContent-Length: 0\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", b"HTTP/1.1 999 X\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000):
            with self.subTest(data[:60]):
                self.assert_own_answer(self.get(self.cut(data, "eof")), 502)
        with self.subTest("reset"):
            self.assert_own_answer(self.get(self.cut(b"", "reset")), 502)

    def test_no_answer_while_the_upload_still_waits_for_the_client_is_502(self):
        for end in (Wire.close, Wire.reset):
            for fields, part in (([("Content-Length", "100")], b"only this"), (CHUNKED, b"9\r\nonly this\r\n")):
                with self.subTest(end=end.__name__, fields=fields):
                    origin = self.origin(lambda wire: (wire.read_until(b"only this"), end(wire)))
                    with self.client() as client:
                        client.send(request("POST", origin.url(), fields=fields) + part)
                        self.assert_own_answer(client.read_response("POST"), 502)

    def test_more_than_the_length_is_not_taken_for_the_next_answer(self):
        def serve(wire: Wire) -> None:
            while wire.read_request():
                wire.send(response("ok") + response("smuggled"))

        origin = self.origin(serve)
        with self.client() as client:
            for _ in range(5):
                client.send(request("GET", origin.url()))
                self.assertIn((answer := client.read_response()).body, (b"ok",), answer)

    def test_an_upload_that_is_cut_off_does_not_look_complete_to_the_origin(self):
        for how in ("eof", "reset"):
            for fields, part in (([("Content-Length", "100")], b"only this"), (CHUNKED, b"5\r\nabcde\r\n")):
                with self.subTest(how=how, fields=fields):
                    seen = []

                    def serve(wire: Wire) -> None:
                        try:
                            wire.read_request()
                            seen.append("complete")
                        except (Truncated, ConnectionResetError):
                            seen.append("cut off")

                    origin = self.origin(serve)
                    client = self.client()
                    client.send(request("POST", origin.url(), fields=fields) + part)
                    origin.wait_for(1)
                    wait_quietly(0.1)
                    client.reset() if how == "reset" else client.close()
                    wait_until(lambda: seen, "the origin notices", PROMPT)
                    self.assertEqual(seen, ["cut off"])


class EarlyAnswers(ProxyTest):
    """The origin answers before the upload is over."""

    size = 64 << 20

    def upload(self, origin, expected: int) -> None:
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=[("Content-Length", str(self.size))]))

            def pour() -> None:
                try:
                    for _ in range(self.size >> 16):
                        client.send(bytes(1 << 16))
                except OSError:
                    pass  # the proxy may stop reading

            sender = threading.Thread(target=pour)
            sender.start()
            answer = client.read_response()
            self.assertEqual((answer.status, answer.body), (expected, b"enough"))
            client.wake()
            sender.join()

    def test_and_closes(self):
        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.read_exactly(1 << 16)
            wire.send(response("enough", status="413 Content Too Large", fields=[("Connection", "close")]))
            wire.half_close()
            wire.drained(settings.TIMEOUT)

        self.upload(self.origin(serve), 413)

    def test_and_stops_reading(self):
        done = threading.Event()

        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.send(response("enough", status="403 Forbidden", fields=[("Connection", "close")]))
            done.wait(TIMEOUT)

        self.upload(self.origin(serve, receive_buffer=1 << 16), 403)
        done.set()

    def test_and_goes_on_reading(self):
        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.send(response("enough"))
            wire.read_exactly(self.size)

        self.upload(self.origin(serve), 200)

    def test_and_then_the_upload_breaks_off(self):
        """The answer is on its way to a client that does not read; the upload's fault ends the origin's connection."""
        stalled = threading.Event()

        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.size)
            wire.socket.settimeout(1)
            try:
                while True:
                    wire.send(bytes(1 << 16))
            except OSError:  # nobody takes any more, or the connection is gone
                stalled.set()

        origin = self.origin(serve)
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=CHUNKED) + b"5\r\nhello\r\n")
            self.assertTrue(stalled.wait(TIMEOUT))
            client.send(b"no length\r\n")
            with self.assertRaises((Truncated, ConnectionResetError)):
                client.read_response()
        self.assert_serves()

    def test_by_ending_while_the_client_pauses(self):
        """Nobody else reads from the client any more when the refusal is on its way."""
        def serve(wire: Wire) -> None:
            wire.read_head()
            wire.read_exactly(5)

        origin = self.origin(serve)
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=[("Content-Length", "10")]) + b"01234")
            self.assert_own_answer(client.read_response(), 502)
        self.assert_serves()

    def test_of_one_message_then_the_next_request(self):
        """A small upload that is completed after the answer leaves the connection usable."""
        def serve(wire: Wire) -> None:
            while head := wire.read_head():
                wire.send(response("enough"))
                wire.read_exactly(int(head.get("Content-Length")))

        origin = self.origin(serve)
        with self.client() as client:
            client.send(request("POST", origin.url(), fields=[("Content-Length", "10")]) + b"01234")
            answer = client.read_response()
            self.assertEqual(answer.body, b"enough")
            if "close" in answer.options():
                return
            client.send(b"56789" + request("POST", origin.url(), body=b"next"))
            self.assertEqual(client.read_response().body, b"enough")


if __name__ == "__main__":
    unittest.main()
