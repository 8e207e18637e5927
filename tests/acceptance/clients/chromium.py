"""Chromium without a window, over the DevTools protocol on a pipe."""
import contextlib
import fcntl
import json
import os
import subprocess
import threading

from clients.browser import Browser
from lanes import end_group
from settings import TIMEOUT


class Pipe:
    """Messages of JSON with a zero byte at their end, on descriptors 3 and 4 of the browser."""

    def __init__(self, command: list[str], variables: dict[str, str], log):
        low_in, ours_out = os.pipe()
        ours_in, low_out = os.pipe()
        ends = [fcntl.fcntl(low, fcntl.F_DUPFD, 10) for low in (low_in, low_out)]  # neither is 3 or 4
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *command], env=variables, stderr=log,
            stdin=subprocess.DEVNULL, stdout=log, pass_fds=ends, start_new_session=True)
        for end in (low_in, low_out, *ends):
            os.close(end)
        self._out, self._in = os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb")
        self._buffer, self._number = b"", 0
        self.events: list[dict] = []

    def _next(self) -> dict:
        while b"\0" not in self._buffer:
            data = self._in.read1(1 << 16)
            if not data:
                raise AssertionError("Chromium ended the conversation")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method: str, session: str = "", **parameters) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            self._out.write(json.dumps(message).encode() + b"\0")
        except BrokenPipeError:
            raise AssertionError("Chromium ended the conversation") from None
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def wait_for(self, event: str, session: str) -> None:
        while True:
            for each in self.events:
                if each.get("method") == event and each.get("sessionId") == session:
                    return
            self.events.append(self._next())

    def close(self) -> None:
        self._out.close()
        self._in.close()


class Chromium(Browser):
    name, packages, program = "Chromium", "chromium libnss3-tools", "chromium"

    def command(self) -> list[str]:
        lane = self.lane
        proxy = lane.url.replace("socks5h:", "socks5:")  # names are the proxy's business either way
        words = ["chromium", "--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu",
                 "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--password-store=basic", f"--user-data-dir={lane.folder / 'profile'}"]
        if lane.through_proxy:
            words += [f"--proxy-server={proxy}", "--proxy-bypass-list=<-loopback>"]
        if os.geteuid() == 0:
            words.append("--no-sandbox")
        return [*words, "about:blank"]

    def visit(self, url: str, *expressions: str) -> list:
        lane = self.lane
        self.trust(lane.home / ".pki/nssdb")
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open(lane.folder / "chromium.log", "w+b"))
            pipe = Pipe(self.command(), lane.environment(), log)
            stack.callback(pipe.close)
            stack.callback(lambda: (end_group(pipe.process), pipe.process.wait()))
            timer = threading.Timer(4 * TIMEOUT, lambda: end_group(pipe.process))
            timer.start()
            stack.callback(timer.cancel)
            target = pipe.call("Target.createTarget", url="about:blank")["targetId"]
            session = pipe.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            pipe.call("Page.enable", session)
            went = pipe.call("Page.navigate", session, url=url)
            assert not went.get("errorText"), f"{url}: {went['errorText']}; proxy:\n{lane.proxy.log_text()[-2000:]}"
            pipe.wait_for("Page.loadEventFired", session)
            results = [self.evaluate(pipe, session, each) for each in expressions]
            pipe.call("Browser.close")
            code = pipe.process.wait(TIMEOUT)
            assert code == 0, f"Chromium ended with {code}"
            return results

    @staticmethod
    def evaluate(pipe: Pipe, session: str, expression: str):
        done = pipe.call("Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, f"{expression}: {done['exceptionDetails']}"
        return done["result"].get("value")
