"""System calls of the proxy for a piece of its work: they must not grow unseen.

Counts, not times. Pieces are done twice, few and many, each time by a proxy of its own under strace; the difference is
what the pieces took, without start and end. Clients wait for each answer, so nothing is done for several at once as a
busier proxy would: these are the most that a request takes. Limits are what was counted when they were set, and a
tenth of a call: a timer that is due in the meantime.
"""
import re
import unittest
from collections import Counter

import settings
from harness import ProxyTest
from origins import echo
from wire import request, response

FEW, MANY = 20, 220
LIMITS = {
    ("request", "epoll"): 7, ("request", "uring"): 5,
    ("message", "epoll"): 6, ("message", "uring"): 5,
    ("tunnel", "epoll"): 27, ("tunnel", "uring"): 18.5,  # the ends of both directions may come in one event or in two
}


class Counts(ProxyTest):
    def setUp(self) -> None:
        pass

    def calls_of(self, work, times: int) -> Counter:
        trace = self.folder() / "trace"
        proxy = self.start_proxy(under=("strace", "-D", "-f", "-qq", "-o", str(trace)), threads=1)
        work(proxy, times)
        proxy.finish(leftovers=False)  # what it keeps for the next request
        return Counter(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))

    def check(self, name: str, work) -> None:
        few, many = self.calls_of(work, FEW), self.calls_of(work, MANY)
        each = {call: (many[call] - few[call]) / (MANY - FEW) for call in many}
        told = ", ".join(f"{call} {count:.2f}" for call, count in sorted(each.items()) if abs(count) > 0.05)
        limit = LIMITS[name, settings.REACTOR]
        self.assertLessEqual(sum(each.values()), limit + 0.1, f"{name}: {told}")
        self.assertGreater(sum(each.values()), limit / 2, f"{name}: set the limit anew: {told}")

    def test_requests_on_kept_connections(self):
        site = self.site(lambda asked: response("x" * 100))

        def work(proxy, times: int) -> None:
            with self.client(proxy) as client:
                for _ in range(times):
                    client.send(request("GET", site.url()))
                    self.assertEqual(len(client.read_response().body), 100)

        self.check("request", work)

    def test_messages_in_a_tunnel(self):
        origin = self.origin(echo)

        def work(proxy, times: int) -> None:
            with self.tunnel(origin.authority, proxy=proxy) as client:
                for _ in range(times):
                    client.send(b"x" * 64)
                    self.assertEqual(len(client.read_exactly(64)), 64)

        self.check("message", work)

    def test_tunnels(self):
        def work(proxy, times: int) -> None:
            origin = self.origin(echo)
            for _ in range(times):
                with self.tunnel(origin.authority, proxy=proxy) as client:
                    client.half_close()
                    self.assertEqual(client.read_to_end(), b"")

        self.check("tunnel", work)


if __name__ == "__main__":
    unittest.main()
