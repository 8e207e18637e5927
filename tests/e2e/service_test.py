"""As a service: socket activation, readiness, watchdog, another user, and the PAC file."""
import contextlib
import fcntl
import os
import pwd
import signal
import socket
import tempfile
import threading
import time
import unittest
from pathlib import Path

from harness import ProxyTest, run_program
from origins import echo
from settings import PROMPT, TIMEOUT
from wire import Wire, request, response, wait_quietly, wait_until


class Supervisor:
    """Hears what a service says to systemd."""

    def __init__(self, folder: Path):
        self.path = folder / "notify"
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.said += self._socket.recv(4096).decode().split("\n")

    def wait_for(self, line: str, count: int = 1) -> None:
        wait_until(lambda: self.said.count(line) >= count, f"{line} {count} times; it said {self.said}", TIMEOUT)

    def close(self) -> None:
        self._socket.close()


class Service(ProxyTest):
    def setUp(self) -> None:
        pass

    def supervisor(self) -> Supervisor:
        made = Supervisor(self.folder())
        self.addCleanup(made.close)
        return made

    def test_it_says_when_it_serves_and_when_it_ends(self):
        heard = self.supervisor()
        proxy = self.start_proxy(variables={"NOTIFY_SOCKET": str(heard.path)})
        heard.wait_for("READY=1")
        self.assertNotIn("WATCHDOG=1", heard.said)
        self.assertNotIn("STOPPING=1", heard.said)
        proxy.signal(signal.SIGTERM)
        self.assertEqual(proxy.wait(PROMPT), 0)
        heard.wait_for("STOPPING=1")

    def test_an_abstract_socket_and_one_that_is_not_there(self):
        name = f"co_wq_{os.getpid()}_{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
            ear.bind("\0" + name)
            ear.settimeout(TIMEOUT)
            self.start_proxy(variables={"NOTIFY_SOCKET": "@" + name})
            self.assertIn(b"READY=1", ear.recv(4096))
        for odd in ("/no/such/socket", "", "@", "relative", "/" + "x" * 200):
            with self.subTest(odd):
                self.assert_serves(self.start_proxy(variables={"NOTIFY_SOCKET": odd}))

    def test_the_watchdog_is_fed_while_all_loops_turn(self):
        heard = self.supervisor()
        self.start_proxy(variables={"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "200000"}, threads=3)
        heard.wait_for("WATCHDOG=1", 5)

    def test_a_watchdog_for_another_process_is_not_ours(self):
        heard = self.supervisor()
        proxy = self.start_proxy(variables={"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "1000",
                                            "WATCHDOG_PID": "1"})
        self.assert_serves(proxy)
        self.assertNotIn("WATCHDOG=1", heard.said)

    def activated(self, doors: list[socket.socket], *options: str, whom: str = "$$", threads: int = 2, **more):
        """As systemd starts it: sockets from descriptor 3 up."""
        high = [fcntl.fcntl(door, fcntl.F_DUPFD, 100) for door in doors]  # above those that they move to
        moves = " ".join(f"{3 + i}<&{number} {number}<&-" for i, number in enumerate(high))
        script = f'exec env LISTEN_FDS={len(doors)} LISTEN_PID={whom} "$@" {moves}'
        try:
            return self.start_proxy(*options, under=("bash", "-c", script, "bash"), threads=threads,
                                    pass_fds=tuple(high), **more)
        finally:
            for number in high:
                os.close(number)

    def door(self) -> socket.socket:
        made = socket.socket()
        self.addCleanup(made.close)
        made.bind(("127.0.0.1", 0))
        made.listen(64)
        return made

    def test_sockets_that_a_supervisor_opened(self):
        for threads in (1, 4):
            with self.subTest(threads):
                usual = self.activated([self.door()], threads=threads).sockets_at_start
                door = self.door()
                early = socket.create_connection(door.getsockname())  # before there is a process
                self.addCleanup(early.close)
                proxy = self.activated([door], port=door.getsockname()[1], threads=threads)
                self.assertEqual(proxy.port, door.getsockname()[1])
                site = self.site(lambda asked: response("ok"))
                early.sendall(request("GET", site.url()))
                self.assertIn(b"200 OK", early.recv(4096))
                for _ in range(2 * threads):
                    self.assert_serves(proxy)
                early.close()
                proxy.sockets_at_start = usual  # it may have been counted or not

    def test_sockets_for_somebody_else_are_left_alone(self):
        door = self.door()
        proxy = self.activated([door], whom="1")
        self.assertNotEqual(proxy.port, door.getsockname()[1])
        self.assert_serves(proxy)

    def test_a_socket_elsewhere_is_closed_and_told(self):
        door = self.door()
        other = socket.socket()
        with other:
            other.bind(("127.0.0.2", 0))
            other.listen()
            proxy = self.activated([other, door])
            proxy.wait_for_log("listens elsewhere")
            self.assertEqual(proxy.port, door.getsockname()[1])
            self.assert_serves(proxy)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_user(self):
        nobody = pwd.getpwnam("nobody")
        for name in ("nobody", str(nobody.pw_uid)):
            with self.subTest(name):
                proxy = self.start_proxy("--user", name)
                status = Path(f"/proc/{proxy.pid}/status").read_text()
                self.assertRegex(status, rf"(?m)^Uid:(\s+{nobody.pw_uid}){{4}}$")
                self.assertRegex(status, rf"(?m)^Gid:(\s+{nobody.pw_gid}){{4}}$")
                self.assertRegex(status, r"(?m)^CapEff:\s+0+$")
                self.assert_serves(proxy)

    def test_a_user_that_cannot_be(self):
        done = run_program("--port", "0", "--user", "no_such_user")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no_such_user", done.stderr)


class Pac(ProxyTest):
    def test_browsers_get_their_script(self):
        for path in ("/proxy.pac", "/wpad.dat", "/proxy.pac?x=1"):
            with self.subTest(path):
                answer = self.ask(request("GET", path, host=self.proxy.address))
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.get("Content-Type"), "application/x-ns-proxy-autoconfig")
                self.assertIn(f'return "PROXY {self.proxy.address}";'.encode(), answer.body)
        self.assertEqual(self.ask(request("HEAD", "/proxy.pac", host=self.proxy.address), "HEAD").body, b"")

    def test_the_script_names_what_the_client_called_us(self):
        answer = self.ask(request("GET", "/proxy.pac", host="gate.example:3128"))
        self.assertIn(b'"PROXY gate.example:3128"', answer.body)
        self.assertIn(b'"PROXY gate.example:80"', self.ask(request("GET", "/proxy.pac", host="gate.example")).body)

    def test_nothing_can_be_smuggled_into_the_script(self):
        for host in ('a";alert(1);"', "a\\", "a b", "a'b", ""):
            with self.subTest(host):
                answer = self.ask(request("GET", "/proxy.pac", host=host))
                self.assertEqual(answer.status, 400)

    def test_other_paths_and_methods_are_not_ours(self):
        for data, method in ((request("GET", "/", host="x"), "GET"), (request("GET", "/proxy.pacx", host="x"), "GET"),
                             (request("POST", "/proxy.pac", host="x", fields=[("Content-Length", "0")]), "POST")):
            self.assertEqual(self.ask(data, method).status, 400)


class Drain(ProxyTest):
    def setUp(self) -> None:
        pass

    def test_a_kept_connection_may_ask_once_more(self):
        proxy = self.start_proxy("--drain-idle-timeout-ms", "5000")
        site = self.site(lambda asked: response("ok"))
        client = self.client(proxy)
        client.send(request("GET", site.url()))
        self.assertEqual(client.read_response().body, b"ok")
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("draining")
        last = None
        while not last or last.get("Connection") != "close":  # its loop may learn of the end a little later
            client.send(request("GET", site.url()))
            last = client.read_response()
            self.assertEqual(last.body, b"ok")
        self.assertEqual(client.ended(), "eof")
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_who_waits_in_the_queue_is_served_once(self):
        proxy = self.start_proxy("--max-connections", "1", "--drain-idle-timeout-ms", "100", threads=1)
        origin, site = self.origin(echo), self.site(lambda asked: response("ok"))
        holder = self.tunnel(origin.authority, proxy=proxy)
        queued = self.client(proxy)
        queued.send(request("GET", site.url()))
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("draining")
        wait_quietly(0.5)  # the moment for idle connections is over
        holder.close()
        self.assertEqual(queued.read_response().body, b"ok")
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_one_that_does_not_is_ended_in_order(self):
        proxy = self.start_proxy("--drain-idle-timeout-ms", "100")
        site = self.site(lambda asked: response("ok"))
        client, silent = self.client(proxy), self.client(proxy)
        client.send(request("GET", site.url()))
        self.assertEqual(client.read_response().body, b"ok")
        proxy.signal(signal.SIGTERM)
        self.assertEqual((client.ended(), silent.ended()), ("eof", "eof"))
        self.assertEqual(proxy.wait(PROMPT), 0)


if __name__ == "__main__":
    unittest.main()
