"""Upstream parents that fail, come back, answer wrongly or never."""
import re
import signal
import unittest

from origins import Authority, echo, hold, refusing_port
from parents import CHECKS, ParentsTest
from settings import PROMPT
from socks import FAILED, read_reply5, request5
from wire import Wire, request, response, wait_until


class Failing(ParentsTest):
    def dead(self) -> str:
        return f"127.0.0.1:{self.enterContext(refusing_port())}"

    def test_the_next_one_is_asked_when_one_is_dead(self):
        site, target = self.site(lambda asked: response("ok")), self.origin(echo)
        alive = self.start_proxy()
        for balance in ("first", "round_robin", "least_connections", "hash"):
            with self.subTest(balance):
                self.start(f'via = "all"\n[[parents]]\nname = "dead"\nurl = "http://{self.dead()}"\ncheck = "none"\n'
                           f'[[parents]]\nname = "alive"\nurl = "http://{alive.address}"\n[[parent_groups]]\n'
                           f'name = "all"\nparents = ["dead", "alive"]\nbalance = "{balance}"')
                for _ in range(8):
                    self.assertEqual(self.get(site.url()).body, b"ok")
                    with self.tunnel(target.authority, b"x") as client:
                        self.assertEqual(client.read_exactly(1), b"x")

    def test_killed_and_back_again(self):
        first, second = self.start_proxy(), self.start_proxy()
        target = self.origin(echo)
        proxy = self.start(f'via = "all"\n[[parents]]\nname = "one"\nurl = "http://{first.address}"\n{CHECKS}'
                           f'[[parents]]\nname = "two"\nurl = "http://{second.address}"\n{CHECKS}'
                           '[[parent_groups]]\nname = "all"\nparents = ["one", "two"]', "--admin", "127.0.0.1:0")
        admin = proxy.wait_for_log(r"admin on (\S+)")[1]

        def metric(name: str, parent: str) -> int:
            page = self.curl(f"http://{admin}/metrics", through=False).decode()
            return int(re.search(rf'^co_http_proxy_parent_{name}{{parent="{parent}"}} (\d+)$', page, re.MULTILINE)[1])

        def via() -> str:
            count = len(self.records(0)) if self.records_path.exists() else 0
            with self.tunnel(target.authority, b"x") as client:
                self.assertEqual(client.read_exactly(1), b"x")
                self.assertGreaterEqual(metric("connections", "one") + metric("connections", "two"), 1)
            return self.records(count + 1)[-1]["via"]

        self.assertEqual(via(), "all/one")
        self.assertEqual((metric("up", "one"), metric("up", "two")), (1, 1))
        port = first.port
        first.kill()
        self.assertEqual(via(), "all/two")
        proxy.wait_for_log("parent one .* is down: ")
        self.assertEqual(metric("up", "one"), 0)
        wait_until(lambda: metric("check_failures_total", "one") > 0, "a check fails, too")
        self.start_proxy(port=port)
        proxy.wait_for_log("parent one .* is up")
        self.assertEqual(via(), "all/one")
        self.assertEqual(metric("up", "one"), 1)
        self.assertGreater(metric("connects_total", "two"), 0)
        wait_until(lambda: metric("connections", "one") + metric("connections", "two") == 0, "nothing is under way")

    def test_when_all_are_down(self):
        site, target = self.site(lambda asked: response("ok")), self.origin(echo)
        for what in ("fail", "direct"):
            proxy = self.start(f'via = "all"\n[[parents]]\nname = "dead"\nurl = "socks5://{self.dead()}"\n{CHECKS}'
                               f'[[parent_groups]]\nname = "all"\nparents = ["dead"]\nwhen_down = "{what}"')
            proxy.wait_for_log("parent dead .* is down")
            if what == "fail":
                answer = self.get(site.url())
                self.assert_own_answer(answer, 503)
                self.assertIn(b"no parent of all is up", answer.body)
                self.assertIsNotNone(answer.get("Retry-After"))
                self.assertEqual(self.refused_connect(target.authority).status, 503)
                with self.greeted() as client:
                    client.send(request5("127.0.0.1", target.port))
                    self.assertEqual(read_reply5(client)[0], FAILED)
                self.assertEqual((site.accepted, target.accepted), (0, 0))
            else:
                self.assertEqual(self.get(site.url()).body, b"ok")
                with self.tunnel(target.authority, b"x") as client:
                    self.assertEqual(client.read_exactly(1), b"x")
                with self.tunnel5("127.0.0.1", target.port, b"x") as client:
                    self.assertEqual(client.read_exactly(1), b"x")

    def test_a_dead_one_alone_is_502(self):
        dead = self.dead()
        self.start(f'via = "dead"\n[[parents]]\nname = "dead"\nurl = "http://{dead}"\ncheck = "none"\nfall = 1000')
        answer = self.get("http://site.test/")
        self.assert_own_answer(answer, 502)
        self.assertIn(b"site.test:80: parent dead: ", answer.body)
        self.assertEqual(self.refused_connect("site.test:443").status, 502)

    def test_each_request_of_a_connection_fails_for_its_own_reason(self):
        self.start(f'[[parents]]\nname = "dead"\nurl = "http://{self.dead()}"\ncheck = "none"\n[[policies]]\n'
                   'name = "default"\n[[policies.rules]]\naction = "allow"\nto = ["site.test"]\nvia = "dead"\n')
        with self.client() as client:
            for url, through in (("http://site.test/", True), (f"http://{self.dead()}/", False)):
                client.send(request("GET", url))
                answer = client.read_response()
                self.assert_own_answer(answer, 502)
                self.assertEqual(b"parent dead" in answer.body, through, answer.body)

    def test_tls_that_cannot_be_trusted(self):
        """With the reason in log and page, and nothing sent."""
        front = self.origin(hold, tls=self.authority().server())
        trusted = self.folder() / "ca.pem"
        trusted.write_bytes(self.authority().certificate.read_bytes())
        other = Authority()
        self.addCleanup(other.close)
        for ca, name, good in ((trusted, "localhost", True), (trusted, "", True), (trusted, "other.test", False),
                               (other.certificate, "", False)):
            with self.subTest(ca=ca, name=name):
                proxy = self.start(f'via = "it"\n[[parents]]\nname = "it"\nurl = "https://{front.authority}"\n'
                                   f'ca_file = "{ca}"\nserver_name = "{name}"\n{CHECKS}',
                                   "--connect-timeout-ms", "1000")
                if good:
                    self.assertEqual(self.refused_connect("site.test:443").status, 504)
                    self.assertNotIn("is down", proxy.log_text())
                else:
                    proxy.wait_for_log("parent it .* is down: .*certificate")
                    self.assertEqual(self.refused_connect("site.test:443").status, 503)

    def test_a_check_through_it(self):
        """A parent that takes connections and nothing else is down, when its check looks."""
        useless = self.origin(hold)
        target = self.origin(echo)
        good = self.start_proxy()
        checks = f'check = "connect"\ncheck_target = "{target.authority}"\n{CHECKS}'.replace('"1s"', '"300ms"')
        proxy = self.start(f'via = "all"\n[[parents]]\nname = "useless"\nurl = "http://{useless.authority}"\n{checks}'
                           f'[[parents]]\nname = "good"\nurl = "socks5://{good.address}"\n{checks}'
                           '[[parent_groups]]\nname = "all"\nparents = ["useless", "good"]')
        proxy.wait_for_log("parent useless .* is down: its check: ")
        with self.tunnel(target.authority, b"x") as client:
            self.assertEqual(client.read_exactly(1), b"x")
        self.assertNotIn("parent good", proxy.log_text())

    def test_a_reload_changes_parents(self):
        first, second, site = self.start_proxy(), self.start_proxy(), self.site(lambda asked: response("ok"))
        text = 'via = "it"\n[[parents]]\nname = "it"\nurl = "http://{}"\n' + CHECKS
        proxy = self.start(text.format(first.address), threads=1)
        self.assertEqual(self.get(site.url()).body, b"ok")
        self.file.write_text(text.format(second.address))
        proxy.signal(1)
        proxy.wait_for_log("reloaded: ")
        self.assertEqual(self.get(site.url()).body, b"ok")
        self.assertEqual([each["upstream"] for each in self.records(2)], [first.address, second.address],
                         "the first one's connection is not kept for another one of its name")
        first.kill()
        self.file.write_text(text.format(second.address) + 'nonsense = 1\n')
        proxy.signal(1)
        proxy.wait_for_log("not reloaded")
        self.assertEqual(self.get(site.url()).body, b"ok")
        self.file.write_text("")
        proxy.signal(1)
        wait_until(lambda: proxy.log_text().count("reloaded: rules") == 2, "the second one")
        second.kill()
        self.assertEqual(self.get(site.url()).body, b"ok", "directly now")


class Hostile(ParentsTest):
    """Parents that answer wrongly, or never."""

    def assert_answers(self, parent_answer: bytes, status: int, text: bytes = b"") -> None:
        def answer(wire: Wire) -> None:
            if wire.read_request() is None:
                return  # a check
            wire.send(parent_answer)

        parent = self.origin(answer)
        self.through(f"http://{parent.authority}", options=("--connect-timeout-ms", "2000"))
        got = self.refused_connect("site.test:443")
        self.assert_own_answer(got, status)
        self.assertIn(text, got.body)
        self.assertIn(b"site.test:443: parent parent1 ", got.body)
        self.assertNotIn("Proxy-Authenticate", [name for name, _ in got.fields])

    def test_what_it_refuses(self):
        for status, expected in ((403, 403), (407, 502), (502, 502), (503, 503), (504, 504), (500, 502), (302, 502)):
            with self.subTest(status):
                self.assert_answers(response("no", status=f"{status} No", fields=[("Proxy-Authenticate", "Basic")]),
                                    expected, b"answers %d" % status)

    def test_what_is_no_answer(self):
        for said in (b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n", b"\5\0\0\0", b"HTTP/1.1 200 OK\r\nA:\0b\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 100_000 + b"\r\n\r\n",
                     b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"\r\n",
                     b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"):
            with self.subTest(said[:30]):
                self.assert_answers(said, 502)

    def test_a_silent_one_is_504(self):
        parent = self.origin(hold)
        self.through(f"http://{parent.authority}", options=("--connect-timeout-ms", "300"))
        self.assert_own_answer(self.refused_connect("site.test:443"), 504)
        for _ in range(5):  # and no client takes it down for all
            self.refused_connect("site.test:443")
        self.assertNotIn("is down", self.proxy.log_text())

    def test_a_slow_one_has_the_time_of_the_whole(self):
        def drip(wire: Wire) -> None:
            if wire.read_request() is None:
                return
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000:
                wire.send(bytes([byte]))
                if wire.silent_for(0.05) is False:
                    return

        parent = self.origin(drip)
        self.through(f"http://{parent.authority}", options=("--connect-timeout-ms", "500"))
        self.assert_own_answer(self.refused_connect("site.test:443"), 504)

    def test_407_to_a_plain_request_is_not_the_clients(self):
        parent = self.site(lambda asked: response("who?", status="407 Who", fields=[("Proxy-Authenticate", "Basic x")]))
        self.through(f"http://{parent.authority}")
        got = self.get("http://site.test/")
        self.assert_own_answer(got, 502)
        self.assertIn(b"credentials", got.body)
        self.assertIsNone(got.get("Proxy-Authenticate"))

    def test_bytes_behind_its_answer_are_the_tunnels(self):
        def at_once(wire: Wire) -> None:
            if wire.read_request() is not None:
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                echo(wire)

        def socks(wire: Wire) -> None:
            wire.read_exactly(3)
            wire.send(b"\5\0")
            wire.read_exactly(16)
            wire.send(b"\5\0\0\1\0\0\0\0\0\0hello")
            echo(wire)

        for scheme, script in (("http", at_once), ("socks5", socks)):
            with self.subTest(scheme):
                self.through(f"{scheme}://{self.origin(script).authority}")
                with self.tunnel("site.test:443", b"early") as client:
                    self.assertEqual(client.read_exactly(10), b"helloearly")
                with self.tunnel5("site.test", 443, b"early") as client:
                    self.assertEqual(client.read_exactly(10), b"helloearly")

    def test_socks_that_is_none(self):
        for said in (b"", b"\5", b"\5\xff", b"\4\0", b"HTTP/1.1 400 Bad\r\n\r\n", b"\5\0\5\0\0\7", b"\5\0\5\1\0\1"):
            with self.subTest(said):
                def answer(wire: Wire, said=said) -> None:
                    if wire.read_some():
                        wire.send(said)
                        wire.half_close()
                        wire.drained(PROMPT)

                self.through(f"socks5://{self.origin(answer).authority}")
                self.assert_own_answer(self.refused_connect("site.test:443"), 502)

    def test_the_end_does_not_wait_for_a_parent(self):
        for scheme in ("http", "socks5"):
            with self.subTest(scheme):
                parent = self.origin(hold)
                proxy = self.through(f"{scheme}://{parent.authority}")
                clients = [self.client() for _ in range(3)]
                clients[0].send(request("CONNECT", "site.test:443"))
                clients[1].send(request("GET", "http://site.test/"))
                clients[2].send(b"\5\1\0" + request5("site.test", 443))
                wait_until(lambda: parent.live >= 3, "the parent is asked")
                proxy.signal(signal.SIGTERM)
                proxy.wait_for_log("draining")
                proxy.signal(signal.SIGTERM)
                self.assertEqual(proxy.wait(PROMPT), 0)

    def test_a_client_that_goes_ends_the_wait(self):
        parent = self.origin(hold)
        self.through(f"http://{parent.authority}")
        for ask in (request("CONNECT", "site.test:443"), b"\5\1\0" + request5("site.test", 443)):
            before = parent.live
            client = self.client()
            client.send(ask)
            wait_until(lambda: parent.live > before, "the parent is asked")
            client.reset()
            wait_until(lambda: parent.live <= before, "and left")


if __name__ == "__main__":
    unittest.main()
