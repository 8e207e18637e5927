"""Plain HTTP through the proxy: what reaches the origin, what comes back, connections kept and shared."""
import concurrent.futures
import socket
import unittest

from harness import ProxyTest
from settings import PROMPT, TIMEOUT
from wire import Message, Wire, chunked, request, response, wait_quietly, wait_until


def ok(_: Message) -> bytes:
    return response("ok")


def mirror(asked: Message) -> bytes:
    return response(asked.body, fields=[("X-Method", asked.method), ("X-Target", asked.target)])


def have_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


class Requests(ProxyTest):
    def seen(self, data: bytes, method: str = "GET") -> Message:
        """What the origin sees of a request that holds ORIGIN where its authority belongs."""
        site = self.site(ok)
        answer = self.ask(data.replace(b"ORIGIN", site.authority.encode()), method)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(len(site.requests), 1)
        return site.requests[0]

    def test_request_line_is_in_origin_form_and_host_comes_from_the_target(self):
        seen = self.seen(b"GET http://ORIGIN/a/b?c=d HTTP/1.1\r\nHost: other.example\r\nX: y\r\n\r\n")
        self.assertEqual(seen.start, "GET /a/b?c=d HTTP/1.1")
        self.assertEqual(seen.all("Host"), [f"127.0.0.1:{seen.get('Host').split(':')[1]}"])
        self.assertEqual(seen.get("X"), "y")

    def test_host_is_the_authority_that_was_asked_for(self):
        site = self.site(ok)
        self.get(site.url())
        self.assertEqual(site.requests[0].all("Host"), [site.authority])

    def test_targets_are_untouched_byte_for_byte(self):
        site = self.site(mirror)
        for sent, expected in (("", "/"), ("/", "/"), ("?a=b", "/?a=b"), ("/?", "/?"), ("//a//b/", "//a//b/"),
                               ("/a/../b/./c", "/a/../b/./c"), ("/%2F%2f%zz%", "/%2F%2f%zz%"),
                               ("/a;p=1,2:3@4!$&'()*+=~_-.", "/a;p=1,2:3@4!$&'()*+=~_-."),
                               ("/?a=1&&b==&c=%20+%2B?/x@y:z&%00%ff", "/?a=1&&b==&c=%20+%2B?/x@y:z&%00%ff"),
                               ("/?u=http://h:1/p?q=r", "/?u=http://h:1/p?q=r")):
            with self.subTest(sent):
                answer = self.ask(request("GET", f"http://{site.authority}{sent}", host=site.authority))
                self.assertEqual((answer.status, answer.get("X-Target")), (200, expected), answer.body)

    def test_methods_pass_unchanged(self):
        site = self.site(mirror)
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            with self.subTest(method):
                body = None if method in ("GET", "DELETE", "OPTIONS") else b"payload"
                answer = self.ask(request(method, site.url("/x"), body=body))
                self.assertEqual((answer.status, answer.get("X-Method"), answer.body), (200, method, body or b""))

    def test_options_of_the_whole_server_is_asked_with_an_asterisk(self):
        self.assertEqual(self.seen(b"OPTIONS http://ORIGIN HTTP/1.1\r\nHost: a\r\n\r\n").target, "*")

    def test_hop_by_hop_fields_never_reach_the_origin(self):
        seen = self.seen(b"GET http://ORIGIN/ HTTP/1.1\r\nHost: a\r\nProxy-Authorization: Basic c2VjcmV0\r\n"
                         b"Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTE: trailers, deflate\r\n"
                         b"Connection: X-Named, close\r\nConnection: x-second\r\nX-Named: 1\r\nx-NAMED: 2\r\n"
                         b"X-Second: 3\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-Kept: 4\r\n\r\n")
        for name in ("Proxy-Authorization", "Proxy-Connection", "Keep-Alive", "X-Named", "X-Second", "Upgrade",
                     "HTTP2-Settings"):
            self.assertEqual(seen.all(name), [], name)
        self.assertEqual(seen.get("X-Kept"), "4")
        self.assertNotIn("secret", seen.raw_head.decode())
        self.assertLessEqual(seen.options(), {"te", "close", "keep-alive"})
        self.assertNotIn("deflate", seen.get("TE") or "")

    def test_connection_cannot_name_away_what_frames_or_routes(self):
        seen = self.seen(b"POST http://ORIGIN/ HTTP/1.1\r\nHost: a\r\nConnection: Host, Content-Length, Via\r\n"
                         b"Via: 1.1 before\r\nContent-Length: 4\r\n\r\nbody")
        self.assertEqual((seen.body, len(seen.all("Host")), seen.framing), (b"body", 1, "length"))
        self.assertIn("1.1 before", ", ".join(seen.all("Via")))

    def test_via_is_added_in_both_directions_after_what_was_there(self):
        site = self.site(lambda asked: response("ok", fields=[("Via", "1.1 far")]))
        answer = self.ask(request("GET", site.url(), fields=[("Via", "1.0 near")]))
        self.assertRegex(", ".join(site.requests[0].all("Via")), r"^1\.0 near, 1\.1 \S+$")
        self.assertRegex(", ".join(answer.all("Via")), r"^1\.1 far, 1\.1 \S+$")

    def test_fields_of_a_response_arrive_in_order_without_those_of_the_hop(self):
        site = self.site(lambda asked: response("ok", status="200 Very Well", fields=[
            ("Set-Cookie", "a=1, b"), ("X-Twice", "1"), ("Set-Cookie", "c=2"), ("X-Twice", ""),
            ("Connection", "X-Gone"), ("X-Gone", "1"),
            ("Keep-Alive", "timeout=5"), ("Proxy-Connection", "keep-alive"), ("Server", "x/1")]))
        answer = self.get(site.url())
        self.assertEqual(answer.reason, "Very Well")
        self.assertEqual(answer.all("Set-Cookie"), ["a=1, b", "c=2"])
        self.assertEqual(answer.all("X-Twice"), ["1", ""])
        self.assertEqual(answer.get("Server"), "x/1")
        for name in ("X-Gone", "Keep-Alive", "Proxy-Connection"):
            self.assertEqual(answer.all(name), [], name)

    def test_max_forwards_counts_down_and_ends_here_at_zero(self):
        site = self.site(ok)
        for method in ("OPTIONS", "TRACE"):
            answer = self.ask(request(method, site.url(), fields=[("Max-Forwards", "0")]), method)
            self.assertIsNotNone(answer.status)
        self.assertEqual((site.accepted, site.requests), (0, []))
        self.ask(request("OPTIONS", site.url(), fields=[("Max-Forwards", "7")]))
        self.assertEqual(site.requests[0].get("Max-Forwards"), "6")

    def test_a_name_is_resolved_and_the_working_address_found(self):
        site = self.site(ok)  # listens on 127.0.0.1 only; localhost may also be ::1
        answer = self.get(f"http://localhost:{site.port}/")
        self.assertEqual((answer.status, answer.body), (200, b"ok"))
        self.assertEqual(site.requests[0].get("Host"), f"localhost:{site.port}")

    @unittest.skipUnless(have_ipv6(), "no IPv6 on loopback")
    def test_ipv6_origin(self):
        site = self.site(ok, host="::1")
        self.assertEqual(self.get(site.url("/six")).body, b"ok")
        self.assertEqual((site.requests[0].get("Host"), site.requests[0].target), (site.authority, "/six"))
        with self.tunnel(site.authority, request("GET", "/", host="a")) as client:
            self.assertEqual(client.read_response().body, b"ok")

    def test_a_request_to_the_proxy_itself_ends(self):
        answer = self.get(f"http://{self.proxy.address}/")
        self.assertGreaterEqual(answer.status, 400)
        with self.client() as client:
            client.send(request("GET", "/", host=self.proxy.address))
            self.assert_own_answer(client.read_response(), 400, 403)


class Connections(ProxyTest):
    def test_two_requests_on_one_connection_use_one_connection_to_the_origin(self):
        site = self.site(mirror)
        with self.client() as client:
            for number in range(2):
                client.send(request("POST", site.url(f"/{number}"), body=b"body %d" % number))
                answer = client.read_response()
                self.assertEqual((answer.status, answer.body), (200, b"body %d" % number))
                self.assertNotIn("close", answer.options())
        self.assertEqual((site.accepted, len(site.requests)), (1, 2))

    def test_one_connection_asks_different_origins(self):
        first, second = (self.site(lambda asked, name=name: response(name)) for name in ("first", "second"))
        with self.client() as client:
            for site, body in ((first, b"first"), (second, b"second"), (first, b"first")):
                client.send(request("GET", site.url()))
                self.assertEqual(client.read_response().body, body)

    def test_the_next_client_gets_the_pooled_connection(self):
        proxy = self.start_proxy(threads=1)
        site = self.site(ok)
        for _ in range(3):
            self.assertEqual(self.get(site.url(), proxy).body, b"ok")
        self.assertEqual((site.accepted, len(site.requests)), (1, 3))

    def test_an_origin_that_closes_pooled_connections_is_asked_again(self):
        def once(wire: Wire) -> None:
            if wire.read_request():
                wire.send(response("ok"))  # and closes, although it did not say so

        origin = self.origin(once)
        with self.client() as client:
            for _ in range(30):
                client.send(request("GET", origin.url()))
                self.assertEqual(client.read_response().body, b"ok")
        self.assertGreaterEqual(origin.accepted, 30)

    def test_an_origin_that_closes_while_it_gets_the_next_request_is_asked_again(self):
        requests = []

        def deaf(wire: Wire) -> None:
            asked = wire.read_request()
            requests.append(asked.target)
            wire.send(response("ok"))
            if wire.read_request():  # read, but the connection ends without an answer
                requests.append("unanswered")

        origin = self.origin(deaf)
        with self.client() as client:
            for number in range(4):
                client.send(request("GET", origin.url(f"/{number}")))
                self.assertEqual(client.read_response().body, b"ok", requests)

    def test_pooled_connections_that_the_origin_closes_are_closed_here(self):
        origin = self.origin(lambda wire: (wire.read_request(), wire.send(response("ok")), wait_quietly(0.2)))
        self.assertEqual(self.get(origin.url()).body, b"ok")
        origin.wait_until_free()
        wait_until(lambda: self.proxy.socket_count() == self.proxy.sockets_at_start, "pooled connection closed", PROMPT)
        self.assertEqual(self.proxy.tcp_states()["08"], 0)

    def test_a_connection_is_not_pooled_when_the_origin_says_close(self):
        site = self.site(lambda asked: response("ok", fields=[("Connection", "close")]))
        with self.client() as client:
            for _ in range(2):
                client.send(request("GET", site.url()))
                answer = client.read_response()
                self.assertEqual((answer.body, "close" in answer.options()), (b"ok", False))
        self.assertEqual(site.accepted, 2)

    def test_connection_close_of_the_client_is_obeyed(self):
        site = self.site(ok)
        with self.client() as client:
            client.send(request("GET", site.url(), fields=[("Connection", "close")]))
            answer = client.read_response()
            self.assertEqual((answer.body, "close" in answer.options()), (b"ok", True))
            self.assertEqual(client.ended(), "eof")

    def test_pipelined_requests_are_answered_in_order(self):
        def slow_first(asked: Message) -> bytes:
            if asked.target == "/0":
                wait_quietly(0.3)
            return mirror(asked)

        site = self.site(slow_first)
        with self.client() as client:
            text = b""
            for number in range(12):
                if number % 3 == 1:
                    text += request("POST", site.url(f"/{number}"), body=b"x" * number)
                elif number % 3 == 2:
                    text += request("POST", site.url(f"/{number}"), fields=[("Transfer-Encoding", "chunked")])
                    text += chunked(b"y" * number, b"z")
                else:
                    text += request("GET", site.url(f"/{number}"))
            client.send(text)
            for number in range(12):
                answer = client.read_response()
                self.assertEqual(answer.get("X-Target"), f"/{number}")
                self.assertEqual(answer.body, [b"", b"x" * number, b"y" * number + b"z"][number % 3])
            self.assertTrue(client.silent_for(0.1))

    def test_requests_that_arrive_byte_by_byte_are_served(self):
        site = self.site(mirror)
        with self.client() as client:
            for byte in request("POST", site.url("/slow"), body=b"abc"):
                client.send(bytes([byte]))
            self.assertEqual(client.read_response().body, b"abc")

    def test_a_client_that_half_closes_after_its_request_gets_the_answer(self):
        site = self.site(lambda asked: (wait_quietly(0.5), response("late"))[1])
        with self.client() as client:
            client.send(request("GET", site.url()))
            client.half_close()
            self.assertEqual(client.read_response().body, b"late")
            self.assertEqual(client.ended(), "eof")

    def test_a_client_that_leaves_before_the_answer_frees_the_origin(self):
        for how in ("reset", "close"):
            with self.subTest(how):
                origin = self.origin(lambda wire: (wire.read_request(), wire.drained(TIMEOUT)))
                client = self.client()
                client.send(request("GET", origin.url()))
                origin.wait_for(1)
                wait_quietly(0.1)
                client.reset() if how == "reset" else client.close()
                # a close looks like a half-close: the answer may still be wanted, so only RST is noticed at once
                if how == "reset":
                    origin.wait_until_free()


class Http10(ProxyTest):
    def test_the_connection_ends_after_the_answer(self):
        site = self.site(ok)
        with self.client() as client:
            client.send(f"GET {site.url('/old')} HTTP/1.0\r\n\r\n")
            answer = client.read_response()
            self.assertEqual((answer.status, answer.body), (200, b"ok"))
            self.assertEqual(client.ended(), "eof")
        self.assertEqual(site.requests[0].get("Host"), site.authority)

    def test_keep_alive_is_granted_when_asked_for(self):
        site = self.site(ok)
        with self.client() as client:
            for _ in range(2):
                client.send(f"GET {site.url()} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                answer = client.read_response()
                self.assertEqual((answer.body, "keep-alive" in answer.options()), (b"ok", True))

    def test_a_chunked_answer_is_sent_plainly_until_the_end(self):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        site = self.site(lambda asked: head + chunked(b"one ", b"two", trailers=[("X", "y")]))
        with self.client() as client:
            client.send(f"GET {site.url()} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = client.read_response()
            self.assertEqual((answer.framing, answer.body, answer.get("Transfer-Encoding")), ("eof", b"one two", None))

    def test_interim_responses_are_kept_from_it(self):
        site = self.site(lambda asked: b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + response("ok"))
        with self.client() as client:
            client.send(f"GET {site.url()} HTTP/1.0\r\n\r\n")
            answer = client.read_response()
            self.assertEqual((answer.body, answer.interim), (b"ok", []))


class Load(ProxyTest):
    def test_many_requests_one_after_the_other(self):
        site = self.site(mirror)
        with self.client() as client:
            for number in range(500):
                client.send(request("POST", site.url(f"/{number}"), body=b"%d" % number))
                self.assertEqual(client.read_response().body, b"%d" % number)
        for number in range(200):
            self.assertEqual(self.get(site.url(f"/{number}")).get("X-Target"), f"/{number}")

    def test_64_clients_at_once(self):
        site = self.site(mirror)

        def one(name: int) -> int:
            with Wire.connect(self.proxy.host, self.proxy.port) as client:
                for number in range(10):
                    body = b"%d/%d" % (name, number)
                    client.send(request("POST", site.url(f"/{name}"), body=body))
                    answer = client.read_response()
                    if (answer.body, answer.get("X-Target")) != (body, f"/{name}"):
                        return number
            return 10

        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            self.assertEqual(list(pool.map(one, range(64))), [10] * 64)
        self.assertEqual(len(site.requests), 640)


class Curl(ProxyTest):
    def test_get_post_and_put(self):
        site = self.site(mirror)
        self.assertEqual(self.curl(site.url("/x?y=z"), "-D", "-", "-o", "/dev/null").count(b"X-Target: /x?y=z"), 1)
        self.assertEqual(self.curl(site.url(), "--data-binary", "posted"), b"posted")
        self.assertEqual(self.curl(site.url(), "-T", "-", data=b"put" * 1000), b"put" * 1000)
        self.assertEqual([each.method for each in site.requests], ["GET", "POST", "PUT"])
        self.assertEqual(site.requests[2].framing, "chunked")

    def test_one_connection_for_two_urls(self):
        site = self.site(ok)
        count = "%{num_connects}\n"
        self.assertEqual(self.curl(site.url("/1"), site.url("/2"), "-w", count), b"ok1\nok0\n")
        self.assertEqual((site.accepted, len(site.requests)), (1, 2))

    def test_https_through_connect(self):
        site = self.site(mirror, tls=self.authority().server())
        ca = ("--cacert", str(self.authority().certificate))
        self.assertEqual(self.curl(*ca, site.url(), "--data-binary", "secret"), b"secret")
        name = f"https://localhost:{site.port}/"
        self.assertEqual(self.curl(*ca, name, "-d", "a", "-w", "%{http_connect}"), b"a200")

    def test_the_error_of_the_proxy_is_shown(self):
        done = self.run_curl("-w", "%{http_code}", "http://127.0.0.1:0/")
        self.assertTrue(done.stdout.endswith(b"400"), done)


if __name__ == "__main__":
    unittest.main()
