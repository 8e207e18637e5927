"""SIGUSR2: a new process takes over the listening sockets, and nobody notices."""
import ctypes
import os
import re
import shutil
import signal
import threading
import time
import unittest
from pathlib import Path

import settings
from harness import Proxy, ProxyTest
from origins import echo
from service_test import Supervisor
from settings import PROMPT, SCALE, TIMEOUT
from wire import Wire, request, response, wait_until

PR_SET_CHILD_SUBREAPER = 36


def setUpModule() -> None:
    """Processes whose parent has handed over and ended become ours."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise unittest.SkipTest("no sub-reaper")


class Upgrade(ProxyTest):
    def setUp(self) -> None:
        self.heirs: list[int] = []
        self.addCleanup(self.end_heirs)

    def end_heirs(self) -> None:
        for heir in self.heirs:
            try:
                os.kill(heir, signal.SIGKILL)
                os.waitpid(heir, 0)
            except (ProcessLookupError, ChildProcessError):
                pass

    def hand_over(self, proxy: Proxy, process: int, heirs: int) -> int:
        """The process that serves from now on."""
        os.kill(process, signal.SIGUSR2)
        pattern = re.compile(r"process (\d+) has taken over")
        found: list[str] = []

        def there() -> bool:
            found[:] = pattern.findall(proxy.log_text())
            return len(found) == heirs

        wait_until(there, f"hand-over {heirs}; log:\n{proxy.log_text()}", TIMEOUT)
        self.heirs.append(int(found[-1]))
        return self.heirs[-1]

    def end(self, process: int) -> None:
        os.kill(process, signal.SIGTERM)
        ended: list[int] = []

        def over() -> bool:
            number, status = os.waitpid(process, os.WNOHANG)
            if number:
                ended.append(status)
            return bool(number)

        wait_until(over, "the last process ends", PROMPT)
        self.assertEqual(os.waitstatus_to_exitcode(ended[0]), 0)

    def test_under_load_no_request_fails(self):
        site = self.site(lambda asked: response("x" * 1000))
        proxy = self.start_proxy()
        over = threading.Event()
        served, failures = [0] * 8, []

        def ask(number: int, keep: bool) -> None:
            try:
                while not over.is_set():
                    with Wire.connect(proxy.host, proxy.port) as client:
                        for _ in range(100):
                            fields = [] if keep else [("Connection", "close")]
                            client.send(request("GET", site.url(), fields=fields))
                            answer = client.read_response()
                            if (answer.status, len(answer.body)) != (200, 1000):
                                failures.append(answer)
                            served[number] += 1
                            if answer.get("Connection") == "close" or over.is_set():
                                break
            except (OSError, AssertionError, EOFError) as failure:
                failures.append(failure)

        threads = [threading.Thread(target=ask, args=(i, i % 2 == 0)) for i in range(len(served))]
        for thread in threads:
            thread.start()
        try:
            process = proxy.pid
            for round_number in range(1, max(2, 5 // SCALE) + 1):
                mark = sum(served)
                wait_until(lambda: sum(served) > mark + 100 or failures, "requests are served", TIMEOUT)
                process = self.hand_over(proxy, process, round_number)
            mark = sum(served)
            wait_until(lambda: sum(served) > mark + 100 or failures, "the last one serves", TIMEOUT)
        finally:
            over.set()
            for thread in threads:
                thread.join(TIMEOUT)
        self.assertEqual(failures, [])
        self.assertEqual(proxy.wait(TIMEOUT), 0)
        self.end(process)

    def test_a_tunnel_lives_on_in_the_old_process(self):
        proxy = self.start_proxy()
        origin = self.origin(echo)
        client = self.tunnel(origin.authority, proxy=proxy)
        heir = self.hand_over(proxy, proxy.pid, 1)
        self.assert_serves(proxy)  # by the new one
        client.send(b"still here")
        self.assertEqual(client.read_exactly(10), b"still here")
        self.assertIsNone(proxy.process.poll())
        client.close()
        self.assertEqual(proxy.wait(PROMPT), 0)
        self.end(heir)

    def test_a_program_that_does_not_serve_changes_nothing(self):
        for name, content in (("garbage", b"no program\n"), ("ends", b"#!/bin/sh\nexit 3\n"), ("gone", None)):
            with self.subTest(name):
                program = self.folder() / "proxy"
                shutil.copy(settings.PROXY, program)
                proxy = self.start_proxy(program=program)
                program.unlink()
                if content is not None:
                    program.write_bytes(content)
                    program.chmod(0o755)
                for attempt in range(1, 3):
                    proxy.signal(signal.SIGUSR2)
                    wait_until(lambda: proxy.log_text().count("this one goes on") == attempt, "it says so", TIMEOUT)
                    self.assert_serves(proxy)
                if name == "ends":
                    self.assertIn("exit code 3", proxy.log_text())

    def test_the_supervisor_learns_of_the_new_process(self):
        heard = Supervisor(self.folder())
        self.addCleanup(heard.close)
        proxy = self.start_proxy(variables={"NOTIFY_SOCKET": str(heard.path)})
        heard.wait_for("READY=1")
        heir = self.hand_over(proxy, proxy.pid, 1)
        heard.wait_for(f"MAINPID={heir}")
        self.assertEqual(proxy.wait(TIMEOUT), 0)
        self.assertNotIn("STOPPING=1", heard.said)
        self.end(heir)

    def test_the_watchdog_is_fed_by_the_new_process(self):
        heard = Supervisor(self.folder())
        self.addCleanup(heard.close)
        proxy = self.start_proxy(variables={"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "200000"},
                                 under=("sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh"))
        heard.wait_for("WATCHDOG=1", 2)
        heir = self.hand_over(proxy, proxy.pid, 1)
        self.assertEqual(proxy.wait(TIMEOUT), 0)
        heard.wait_for("WATCHDOG=1", heard.said.count("WATCHDOG=1") + 3)
        self.end(heir)

    def test_an_end_that_comes_before_the_new_process_serves(self):
        program = self.folder() / "proxy"
        shutil.copy(settings.PROXY, program)
        proxy = self.start_proxy(program=program)
        program.unlink()
        program.write_bytes(b"#!/bin/sh\nexec tail -f /dev/null\n")
        program.chmod(0o755)
        origin = self.origin(echo)
        client = self.tunnel(origin.authority, proxy=proxy)
        proxy.signal(signal.SIGUSR2)
        proxy.wait_for_log("handing over")
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("draining")
        client.send(b"still here")
        self.assertEqual(client.read_exactly(10), b"still here")
        client.close()
        self.assertEqual(proxy.wait(PROMPT), 0)

    def test_the_first_signal_after_an_upgrade_lets_tunnels_live(self):
        proxy = self.start_proxy("--drain-timeout-ms", "100000")
        origin = self.origin(echo)
        client = self.tunnel(origin.authority, proxy=proxy)
        heir = self.hand_over(proxy, proxy.pid, 1)
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: proxy.log_text().count("draining") >= 2, "it is told", TIMEOUT)
        client.send(b"still here")
        self.assertEqual(client.read_exactly(10), b"still here")
        proxy.signal(signal.SIGTERM)
        self.assertEqual(client.ended(), "reset")
        self.assertEqual(proxy.wait(PROMPT), 0)
        self.end(heir)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_as_another_user_and_with_logs(self):
        folder = self.folder()
        folder.chmod(0o755)
        log, access = folder / "log", folder / "access"
        proxy = self.start_proxy("--user", "nobody", "--access-log", str(access), log_file=log)
        self.assert_serves(proxy)
        wait_until(lambda: access.read_text().count("\n") >= 2, "two records", TIMEOUT)
        proxy.signal(signal.SIGUSR2)
        told = re.compile(r"process (\d+) has taken over")
        match = wait_until(lambda: told.search(log.read_text()), "it hands over", TIMEOUT)
        self.heirs.append(int(match[1]))
        self.assertIn("handing over", log.read_text())
        self.assertEqual(proxy.wait(TIMEOUT), 0)
        self.assert_serves(proxy)  # by the new one
        wait_until(lambda: access.read_text().count("\n") >= 4, "four records", TIMEOUT)
        self.end(self.heirs[-1])

    def test_while_it_ends_there_is_no_upgrade(self):
        proxy = self.start_proxy("--drain-timeout-ms", "100000")
        origin = self.origin(echo)
        client = self.tunnel(origin.authority, proxy=proxy)
        proxy.signal(signal.SIGTERM)
        proxy.wait_for_log("draining")
        proxy.signal(signal.SIGUSR2)
        proxy.wait_for_log("SIGUSR2: the end")
        client.close()
        self.assertEqual(proxy.wait(PROMPT), 0)


if __name__ == "__main__":
    unittest.main()
