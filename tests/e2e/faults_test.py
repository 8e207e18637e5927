"""The proxy under load while the system fails: calls that fail or take their time, no descriptors, signals."""
import random
import signal
import threading
import time
import unittest

import settings
from harness import Proxy, ProxyTest
from origins import echo
from settings import PROMPT, SCALE, SEED, STORM, TIMEOUT
from wire import Malformed, Truncated, Wire, request, response, wait_quietly, wait_until

WORKERS = 8
FAILURES = (400, 408, 502, 503, 504)  # 400: the upload broke off
# A call that fails although the other end is there and waits: time limits are what ends that.
SHORT_LIMITS = ("--response-timeout-ms", "1000", "--idle-timeout-ms", "1000")
LOAD = max(STORM // 160, 4)  # exchanges of each worker

# What a call may fail with and nobody must notice, and what may cost the one connection it happens to.
HARMLESS = {
    "epoll": {
        "recvfrom": ("EINTR",),
        "sendto,sendmsg": ("EINTR",),
        "accept4": ("EINTR", "ECONNABORTED"),
        "epoll_wait,epoll_pwait2": ("EINTR",),
    },
    "uring": {
        "recvfrom": ("EINTR",),
        "sendto,sendmsg": ("EINTR",),
        "io_uring_enter": ("EINTR", "EAGAIN", "EBUSY"),
    },
}
HARMFUL = {
    "epoll": {
        "recvfrom": ("ECONNRESET", "ETIMEDOUT", "ENOMEM"),
        "sendto,sendmsg": ("EPIPE", "ECONNRESET", "ENOBUFS"),
        "accept4": ("EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"),
        "socket": ("EMFILE", "ENOBUFS"),
        "epoll_ctl": ("ENOMEM", "ENOSPC"),
        "connect": ("ECONNREFUSED", "ENETUNREACH", "EADDRNOTAVAIL"),
        "splice": ("ENOMEM", "EPIPE"),
    },
    "uring": {
        "recvfrom": ("ECONNRESET", "ETIMEDOUT", "ENOMEM"),
        "sendto,sendmsg": ("EPIPE", "ECONNRESET", "ENOBUFS"),
        "accept4": ("EMFILE", "ENFILE", "ENOMEM"),
        "socket": ("EMFILE", "ENOBUFS"),
        "splice": ("ENOMEM", "EPIPE"),
    },
}
DELAYED = {"epoll": "recvfrom,sendto,sendmsg,accept4,epoll_wait,epoll_pwait2,epoll_ctl,splice",
           "uring": "recvfrom,sendto,sendmsg,io_uring_enter,splice"}


def strace(*injections: str) -> tuple[str, ...]:
    """-D: the program stays our child, strace is its grandchild. Only what is injected is stopped."""
    command = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]
    for each in injections:
        command += ["-e", f"inject={each}"]
    calls = ",".join(each.split(":")[0] for each in injections)
    return (*command[:7], "-e", f"trace={calls}", *command[7:])


class Load:
    """Clients that ask, upload and tunnel; what they get is right, or they get nothing."""

    def __init__(self, test: ProxyTest, proxy: Proxy, seed: int):
        self.test, self.proxy, self.seed = test, proxy, seed
        self.site = test.site(lambda asked: response(asked.body or b"page"))
        self.origin = test.origin(echo)
        self.good = 0
        self.failed: list[str] = []    # an answer that says so, or a connection that ends
        self.wrong: list[str] = []     # anything else
        self.over = threading.Event()
        self._lock = threading.Lock()

    def ask(self, wire: Wire, body: bytes) -> bool:
        wire.send(request("POST", self.site.url(), body=body))
        answer = wire.read_response("POST")
        if answer.status != 200:
            assert answer.status in FAILURES, answer
            return False
        assert answer.body == body, "another answer than was asked for"
        return True

    def tunnel(self, wire: Wire, data: bytes) -> bool:
        wire.send(request("CONNECT", self.origin.authority))
        answer = wire.read_response("CONNECT")
        if answer.status != 200:
            assert answer.status in FAILURES, answer
            return False
        writer = threading.Thread(target=self.send_quietly, args=(wire, data))
        writer.start()
        try:
            assert wire.read_exactly(len(data)) == data, "other bytes than were sent"
        finally:
            writer.join()
        wire.half_close()
        return wire.read_to_end() == b""

    def send_quietly(self, wire: Wire, data: bytes) -> None:
        try:
            wire.send(data)
        except OSError:
            pass  # the reader sees it as well

    def once(self, chance: random.Random) -> bool:
        with Wire.connect(self.proxy.host, self.proxy.port) as wire:
            if chance.random() < 0.4:
                return self.tunnel(wire, chance.randbytes(chance.randrange(1, 150_000)))
            return all(self.ask(wire, chance.randbytes(chance.randrange(1, 30_000)))
                       for _ in range(chance.randrange(1, 4)))

    def work(self, number: int, count: int) -> None:
        chance = random.Random(self.seed * 1000 + number)
        for _ in range(count):
            if self.over.is_set():
                return
            try:
                served = self.once(chance)
                with self._lock:
                    self.good += served
                    if not served:
                        self.failed.append("an error page")
            except TimeoutError as failure:
                self.wrong.append(f"hung: {failure!r}")
                return
            except (OSError, Truncated) as failure:
                self.failed.append(repr(failure))
            except (AssertionError, Malformed, ValueError) as failure:
                self.wrong.append(repr(failure))

    def start(self, count: int = LOAD) -> None:
        self.threads = [threading.Thread(target=self.work, args=(number, count)) for number in range(WORKERS)]
        for each in self.threads:
            each.start()

    def join(self) -> None:
        for each in self.threads:
            each.join()
        self.test.assertEqual(self.wrong, [])


@unittest.skipIf(settings.SANITIZER, "sanitizers and their leak check do not work while another process traces")
class Injected(ProxyTest):
    def setUp(self) -> None:
        self.seed = SEED

    def run_under(self, *injections: str, options: tuple[str, ...] = ()) -> Load:
        proxy = self.start_proxy(*options, under=strace(*injections))
        load = Load(self, proxy, self.seed)
        load.start()
        load.join()
        self.proxy = proxy
        return load

    def end(self, load: Load) -> None:
        """What it was connected to goes, so that nothing of it is left; then the harness looks."""
        for each in self._origins:
            each.close()
        self.proxy.finish()
        self.proxy.assert_clean_log()

    def test_what_is_to_be_tried_again_is_tried_again(self):
        for calls, errors in HARMLESS[settings.REACTOR].items():
            for error in errors:
                with self.subTest(calls=calls, error=error):
                    load = self.run_under(f"{calls}:error={error}:when=3+5")
                    self.assertEqual(load.failed, [])
                    self.end(load)

    def test_what_breaks_a_connection_breaks_no_other_and_not_for_long(self):
        for calls, errors in HARMFUL[settings.REACTOR].items():
            for error in errors:
                with self.subTest(calls=calls, error=error):
                    load = self.run_under(f"{calls}:error={error}:when=9..300+13", options=SHORT_LIMITS)
                    after = Load(self, self.proxy, self.seed + 1)
                    after.start(2 * LOAD)
                    after.join()
                    self.assertGreater(after.good, LOAD * WORKERS, f"{len(after.failed)} failed: {after.failed[:3]}")
                    self.end(load)

    def test_slow_calls_only_take_longer(self):
        for where in ("delay_enter", "delay_exit"):
            with self.subTest(where):
                load = self.run_under(f"{DELAYED[settings.REACTOR]}:{where}=5000:when=7+11")
                self.assertEqual(load.failed, [])
                self.end(load)


class NoDescriptors(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_under_load_it_serves_what_it_can_and_recovers(self):
        for limit in (36, 48, 64):
            with self.subTest(limit=limit):
                proxy = self.start_proxy(descriptors=limit, threads=2)
                load = Load(self, proxy, SEED + limit)
                holders = [Wire.connect(proxy.host, proxy.port) for _ in range(limit)]  # more than it has room for
                load.start()
                wait_quietly(0.3)
                for each in holders:
                    each.close()
                load.join()
                self.assertGreater(load.good, 0, load.failed[:3])
                for each in self._origins:  # the idle connections to them leave the pool
                    each.close()
                site = self.site(lambda asked: response("ok"))
                wait_until(lambda: self.get(site.url(), proxy).status == 200, "it serves again", TIMEOUT)
                self.assert_serves(proxy)


class Signals(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_under_load_it_ends_with_0_in_bounded_time(self):
        chance = random.Random(SEED)
        drain = 0.3
        for attempt in range(max(STORM // 160, 4) // SCALE + 1):
            number = (signal.SIGTERM, signal.SIGINT)[attempt % 2]
            with self.subTest(attempt=attempt, number=number):
                proxy = self.start_proxy("--drain-timeout-ms", str(int(drain * 1000)), threads=1 + attempt % 4)
                load = Load(self, proxy, SEED + attempt)
                load.start(10_000)
                wait_quietly(chance.uniform(0.02, 0.5))
                started = time.monotonic()
                proxy.signal(number)
                self.assertEqual(proxy.wait(PROMPT + drain), 0)
                took = time.monotonic() - started
                load.over.set()
                load.join()
                self.assertLess(took, PROMPT + drain)
                proxy.assert_clean_log()


if __name__ == "__main__":
    unittest.main()
