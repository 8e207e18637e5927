"""The recipe with HAProxy, with its own files: two proxies behind one port, of which one goes."""
import contextlib
import re
import signal
import socket
import subprocess
import threading
import unittest

import documents
from harness import Proxy, ProxyTest, environment
from origins import Site
from settings import PROMPT, TIMEOUT
from wire import Truncated, Wire, request, response, wait_until

CLIENTS = 6


class Load:
    """Clients that ask without a pause, until they are stopped: half of them keep their connections."""

    def __init__(self, port: int, site: Site):
        self.port, self.site = port, site
        self.served = [0] * CLIENTS
        self.failures: list[object] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(TIMEOUT)

    def wait_for_more(self, requests: int = 200) -> None:
        mark = sum(self.served)
        wait_until(lambda: sum(self.served) >= mark + requests or self.failures, f"{requests} more requests", TIMEOUT)

    def _run(self, number: int) -> None:
        try:
            while not self._over.is_set():
                with Wire.connect("127.0.0.1", self.port) as client:
                    self._use(client, number)
        except (OSError, AssertionError, Truncated) as failure:
            self.failures.append(failure)

    def _use(self, client: Wire, number: int) -> None:
        keep, asked = number % 2 == 0, 0
        while not self._over.is_set():
            try:
                client.send(request("GET", self.site.url(), fields=[] if keep else [("Connection", "close")]))
                answer = client.read_response()
            except (ConnectionError, Truncated) as failure:
                # a kept connection may end between two requests: every client asks again then
                if asked > 0 and not getattr(failure, "received", b""):
                    return
                raise
            asked += 1
            if (answer.status, len(answer.body)) != (200, 1000):
                self.failures.append(answer)
            self.served[number] += 1
            if not keep or answer.get("Connection") == "close":
                return


class BehindHaproxy(ProxyTest):
    def setUp(self) -> None:
        self.sites = [self.site(lambda asked: response("x" * 1000))]
        config = documents.blocks("toml", "recipes/haproxy.md")[0].text
        # the test's clients and its origin are on this machine
        config = config.replace('"10.0.0.0/8"', '"127.0.0.0/8"')
        config = config.replace('default = "deny"', 'default = "deny"\nguard = false')
        self.proxies = [self.start(config) for _ in range(2)]

    def start(self, config: str) -> Proxy:
        folder = self.folder()
        file = folder / "proxy.toml"
        text = documents.replaced(config, _18101=0, _9101=0)
        file.write_text(text + f'\n[access_log]\nfile = "{folder}/access.log"\n')
        proxy = self.start_proxy("--config", str(file), port=None)
        proxy.access = folder / "access.log"
        proxy.admin = int(proxy.wait_for_log(r"admin on \S+:(\d+)")[1])
        return proxy

    @contextlib.contextmanager
    def haproxy(self):
        """The packaged file with the test's own ports; the port where it listens."""
        one, two = self.proxies
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(128)
            text = (documents.PACKAGING / "haproxy/haproxy.cfg").read_text()
            text = documents.replaced(text, _18101=one.port, _9101=one.admin, _18102=two.port, _9102=two.admin)
            config = self.folder() / "haproxy.cfg"
            config.write_text(re.sub(r"(?<=bind ):\d+", f"fd@{listener.fileno()}", text))
            running = subprocess.Popen(["haproxy", "-db", "-f", str(config)], pass_fds=[listener.fileno()],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
            try:
                yield listener.getsockname()[1]
            finally:
                running.terminate()
                running.wait(PROMPT)

    def test_the_file_is_right_as_it_is(self):
        done = subprocess.run(["haproxy", "-c", "-f", str(documents.PACKAGING / "haproxy/haproxy.cfg")],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("[WARNING]", done.stderr)

    def test_one_drains_under_load_and_no_request_fails(self):
        site = self.sites[0]
        first, second = self.proxies
        with self.haproxy() as port, Load(port, site) as load:
            load.wait_for_more()
            first.signal(signal.SIGTERM)
            self.assertEqual(first.wait(TIMEOUT), 0)
            load.wait_for_more()
        self.assertEqual(load.failures, [])
        for proxy in self.proxies:
            self.assertIn(" 200 ", proxy.access.read_text(), "both had their share")
        self.assertRegex(second.access.read_text(), r" 127\.0\.0\.1:\d+ ")

    def refuses(self, port: int) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) != 0

    def test_one_is_lost_and_the_next_clients_are_served(self):
        site = self.sites[0]
        with self.haproxy() as port:
            with Load(port, site) as load:
                load.wait_for_more()
            self.proxies[0].kill()
            # io_uring's sockets may outlive their process for a moment
            wait_until(lambda: self.refuses(self.proxies[0].port), "its socket is gone", PROMPT)
            with Load(port, site) as after:
                after.wait_for_more()
        self.assertEqual(load.failures + after.failures, [])

    def test_tunnels_and_socks_go_through_it_and_rules_see_the_client(self):
        with self.haproxy() as port:
            done = self.run_curl("-x", f"socks5h://127.0.0.1:{port}", self.sites[0].url(), through=False)
            self.assertEqual(len(done.stdout), 0, "port 80 and 443 only: the listener counts as one for others")
            self.assertIn(b"(2)", done.stderr)
            done = self.run_curl("-x", f"http://127.0.0.1:{port}", self.sites[0].url(), through=False)
            self.assertEqual(done.stdout, b"x" * 1000)
        self.assertRegex("".join(p.log_text() for p in self.proxies), r"127\.0\.0\.1 SOCKS 127\.0\.0\.1:\d+ denied")

    def test_what_is_said_to_those_without_a_header(self):
        with socket.create_connection(("127.0.0.1", self.proxies[0].port)) as client:
            client.sendall(request("GET", self.sites[0].url()))
            self.assertEqual(client.recv(100), b"")
        said = self.proxies[0].wait_for_log("is trusted to send a PROXY header and does not: .*")[0]
        self.assertIn(said, re.sub(r"\s+", " ", documents.page("recipes/haproxy.md")))


if __name__ == "__main__":
    unittest.main()
