"""SIGHUP: the rules are read again; nothing that is under way notices, and what is wrong changes nothing."""
import base64
import os
import signal
import subprocess
import threading
import unittest
from pathlib import Path

from harness import Proxy, ProxyTest
from origins import echo
from settings import PROMPT, SCALE, TIMEOUT
from wire import Wire, request, response, wait_until


def rules(*allowed: str, more: str = "") -> str:
    hosts = ", ".join(f'"{each}"' for each in allowed)
    return f"""{more}
[[listeners]]
name = "main"
address = "127.0.0.1"
port = 0
policy = "p"
[[policies]]
name = "p"
default = "deny"
allow_addresses = ["127.0.0.0/8"]
connect_ports = ["1-65535"]
[[policies.rules]]
name = "those"
action = "allow"
to = [{hosts}]
"""


class Reload(ProxyTest):
    def setUp(self) -> None:
        self.file = self.folder() / "proxy.toml"
        self.site_ = self.site(lambda asked: response("ok"))
        self.reloads = self.failures = 0

    def begin(self, text: str) -> Proxy:
        self.file.write_text(text)
        return self.start_proxy("--config", str(self.file), port=None)

    def reload(self, proxy: Proxy, text: str) -> None:
        self.file.write_text(text)
        self.reloads += 1
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: proxy.log_text().count("reloaded: rules") == self.reloads,
                   f"reload {self.reloads}; log:\n{proxy.log_text()}", TIMEOUT)

    def refuse(self, proxy: Proxy, text: str | None) -> None:
        if text is None:
            self.file.unlink()
        else:
            self.file.write_text(text)
        self.failures += 1
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: proxy.log_text().count("not reloaded") == self.failures, "it is refused", TIMEOUT)

    @staticmethod
    def opened(pipe: Path) -> int | None:
        """For writing; None: nobody reads it."""
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return None

    def offer(self, pipe: Path, text: str, before=lambda: None) -> None:
        """To whoever reads it next; before: what is done while it waits."""
        handle = wait_until(lambda: self.opened(pipe), f"{pipe} is read", TIMEOUT)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            before()
            file.write(text)

    def test_the_systems_trust_is_not_read_on_the_loop(self):
        """A new parent over TLS needs it; a pipe in its place shows that nobody waits for it."""
        pipe = self.folder() / "trust.pem"
        os.mkfifo(pipe)
        self.file.write_text(rules("127.0.0.1"))
        proxy = self.start_proxy("--config", str(self.file), port=None, threads=1,
                                 variables={"SSL_CERT_FILE": str(pipe)})
        self.file.write_text(rules("127.0.0.1", more='[[parents]]\nname = "it"\nurl = "https://parent.invalid:1"\n'
                                                     'check = "none"\n'))
        proxy.signal(signal.SIGHUP)
        served = []
        self.offer(pipe, self.authority().certificate.read_text(),
                   lambda: served.append(self.get(self.site_.url(), proxy).status))
        self.assertEqual(served, [200])
        proxy.wait_for_log("reloaded: rules")

    def test_signals_that_come_before_it_serves_end_nothing(self):
        """A pipe for a config file: whoever opens it knows that the program reads it."""
        pipe = self.folder() / "pipe.toml"
        os.mkfifo(pipe)
        proxy = self.start_proxy("--config", str(pipe), port=None, wait=False)

        def signals() -> None:
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR1):
                proxy.signal(number)

        self.offer(pipe, rules("127.0.0.1"), signals)
        proxy.wait_until_listening()
        self.offer(pipe, rules("localhost"))
        proxy.wait_for_log("reloaded: rules")
        self.assertEqual(self.get(self.site_.url(), proxy).status, 403)

    def status(self, proxy: Proxy, host: str) -> int:
        return self.get(f"http://{host}:{self.site_.port}/", proxy).status

    def test_new_rules_hold_for_new_and_for_kept_connections(self):
        proxy = self.begin(rules("localhost"))
        kept = self.client(proxy)

        def ask(host: str) -> int:
            kept.send(request("GET", f"http://{host}:{self.site_.port}/"))
            return kept.read_response().status

        self.assertEqual((ask("127.0.0.1"), ask("localhost")), (403, 200))
        self.reload(proxy, rules("127.0.0.1"))  # as an address: whatever the name
        self.assertEqual((ask("127.0.0.1"), ask("localhost")), (200, 200))
        self.reload(proxy, rules("elsewhere.test"))
        self.assertEqual((ask("127.0.0.1"), ask("localhost")), (403, 403))
        self.assertEqual((self.status(proxy, "127.0.0.1"), self.status(proxy, "localhost")), (403, 403))
        kept.close()

    def test_what_is_wrong_changes_nothing_and_is_told_with_its_line(self):
        proxy = self.begin(rules("localhost"))
        wrong = rules("127.0.0.1").replace('action = "allow"', 'action = "alow"')
        for text, told in ((wrong, r"proxy\.toml:\d+.*alow"),
                           ("[[[", r"proxy\.toml:1"), (None, "there is no such file"),
                           (rules("127.0.0.1").replace('name = "main"', 'name = "other"'), '"main"')):
            with self.subTest(told):
                self.refuse(proxy, text)
                proxy.wait_for_log(told)
                self.assertEqual((self.status(proxy, "127.0.0.1"), self.status(proxy, "localhost")), (403, 200))
        self.reload(proxy, rules("127.0.0.1"))
        self.assertEqual(self.status(proxy, "127.0.0.1"), 200)

    def test_users_are_read_again(self):
        users = self.folder() / "users"

        def write(password: str) -> None:
            done = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True, check=True)
            users.write_text(f"alice:{done.stdout}")

        write("first")
        proxy = self.start_proxy("--users", str(users), "--connect-ports", "1-65535")

        def ask(password: str) -> int:
            credentials = base64.b64encode(f"alice:{password}".encode()).decode()
            return self.ask(request("GET", self.site_.url(), fields=[("Proxy-Authorization", f"Basic {credentials}")]),
                            proxy=proxy).status

        self.assertEqual((ask("first"), ask("second")), (200, 407))
        write("second")
        self.reload(proxy, "")
        self.assertEqual((ask("first"), ask("second")), (407, 200))

    def test_under_load_no_request_fails_and_tunnels_live_on(self):
        proxy = self.begin(rules("127.0.0.1"))
        origin = self.origin(echo)
        tunnel = self.tunnel(origin.authority, proxy=proxy)
        over, failures, served = threading.Event(), [], [0] * 6

        def ask(number: int) -> None:
            try:
                with Wire.connect(proxy.host, proxy.port) as client:
                    while not over.is_set():
                        client.send(request("GET", self.site_.url()))
                        answer = client.read_response()
                        if (answer.status, answer.body) != (200, b"ok"):
                            failures.append(answer)
                        served[number] += 1
            except (OSError, AssertionError, EOFError) as failure:
                failures.append(failure)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(served))]
        for thread in threads:
            thread.start()
        try:
            for number in range(max(4, 20 // SCALE)):
                mark = sum(served)
                wait_until(lambda: sum(served) > mark + 50 or failures, "requests are served", TIMEOUT)
                self.reload(proxy, rules("127.0.0.1", f"host{number}.test"))
        finally:
            over.set()
            for thread in threads:
                thread.join(TIMEOUT)
        self.assertEqual(failures, [])
        tunnel.send(b"still here")
        self.assertEqual(tunnel.read_exactly(10), b"still here")

    def test_without_a_file_there_is_nothing_to_fear(self):
        proxy = self.start_proxy()
        self.reload_plain(proxy)
        self.assertEqual(self.status(proxy, "127.0.0.1"), 200)

    def reload_plain(self, proxy: Proxy) -> None:
        proxy.signal(signal.SIGHUP)
        proxy.wait_for_log("reloaded: rules", PROMPT)


if __name__ == "__main__":
    unittest.main()
