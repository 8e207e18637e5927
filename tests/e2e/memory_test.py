"""A ceiling of memory: new work is refused above it, what is under way goes on, and it is served again below it."""
import contextlib
import json
import unittest

import settings
from harness import Proxy, run_program
from origins import echo, hold
from settings import PROMPT, TIMEOUT
from socks import FAILED, SocksTest, read_reply5, request5
from wire import Wire, request, response, wait_until


@unittest.skipIf(settings.SANITIZER, "sanitizers keep freed memory")
class Ceiling(SocksTest):
    """Heads of requests that never end fill it."""

    def setUp(self) -> None:
        self.path = self.folder() / "access.log"
        self.proxy = self.start_proxy("--max-memory", "24MiB", "--access-log", str(self.path), "--access-log-format",
                                      "json", "--admin", "127.0.0.1:0", "--max-header-bytes", "1000000")
        self.admin = self.proxy.wait_for_log(r"admin on (\S+):(\d+)")
        self.big: list[Wire] = []

    def metric(self, name: str) -> int:
        with Wire.connect(self.admin[1], int(self.admin[2])) as reader:
            reader.send(request("GET", "/metrics", host="localhost"))
            text = reader.read_response().body.decode()
        return next(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + " "))

    def denied(self) -> list[dict]:
        return [one for one in map(json.loads, self.path.read_text().splitlines()) if one["rule"] == "limit: memory"]

    def fill(self) -> None:
        """Heads of nearly a megabyte that never end, until there is too much of them."""
        site = self.site(lambda asked: response("ok"))

        def over() -> bool:
            client = self.client()
            self.big.append(client)
            with contextlib.suppress(OSError):
                client.send(b"GET http://a/ HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 900_000)
            return self.get(site.url()).status == 503

        wait_until(over, "it is too much", TIMEOUT)

    def test_it_is_told_and_counted_and_what_stands_goes_on(self):
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        tunnel, kept = self.tunnel(origin.authority), self.client()
        kept.send(request("GET", site.url()))
        self.assertEqual(kept.read_response().status, 200)
        self.assertEqual(self.metric("co_http_proxy_shedding"), 0)
        self.assertEqual(self.metric("co_http_proxy_memory_limit_bytes"), 24 << 20)
        self.fill()
        self.proxy.wait_for_log(r"memory: \d+ MiB are in use, 24 MiB are allowed: new requests are answered 503")
        answer = self.get(site.url())
        self.assert_own_answer(answer, 503)
        self.assertIn(b"limit: memory", answer.body)
        self.assertGreaterEqual(int(answer.get("Retry-After")), 1)
        with self.client() as client:
            client.send(b"\5\1\0")
            self.assertEqual(client.read_exactly(2), b"\5\0")
            client.send(request5("127.0.0.1", origin.port))
            self.assertEqual(read_reply5(client)[0], FAILED)
        self.assertEqual(kept.ended(), "eof", "who was kept for later is let go")
        site.wait_until_free()  # and so are connections to origins
        tunnel.send(b"still here")
        self.assertEqual(tunnel.read_exactly(10), b"still here")
        self.assertEqual(self.metric("co_http_proxy_shedding"), 1)
        self.assertGreater(self.metric("co_http_proxy_memory_resident_bytes"), 20 << 20)
        self.assertGreater(self.metric('co_http_proxy_limited_total{limit="memory"}'), 1)
        found = wait_until(self.denied, "a record names the rule", PROMPT)
        self.assertEqual((found[0]["status"], found[0]["decision"]), (503, "deny"))

    def test_it_recovers_by_itself_again_and_again(self):
        site = self.site(lambda asked: response("ok"))
        for times in range(1, 4):
            self.fill()
            for client in self.big:
                client.reset()
            self.big.clear()
            wait_until(lambda: self.proxy.log_text().count("requests are served again") == times,
                       "it says so, without being asked", TIMEOUT)
            self.assertEqual(self.get(site.url()).status, 200)


class Options(unittest.TestCase):
    def test_a_ceiling_below_what_the_program_needs_is_wrong_and_told(self):
        for value in ("0", "1MiB", "x", "16 MB"):
            done = run_program("--max-memory", value)
            self.assertEqual(done.returncode, 2, value)
            self.assertIn("--max-memory", done.stderr)


if __name__ == "__main__":
    unittest.main()
