"""Clients that are libraries: a script of each language gets a job as JSON and says what it received."""
import functools
import json
import os
import subprocess
from pathlib import Path

from clients.client import Client
from lanes import found
from sites import BODIES, RAW_GZIP, Web, digest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"

# Job: {"proxy", "ca", "steps": [{"method", "url", "body": a file's path or "", "chunked": bool}]}; all in one session.
# Answer: a line of JSON for each step: [status, SHA-256 of the body, its length]


class Script(Client):
    quick = True
    unpacks = True  # gzip, by itself
    chunks = True  # can send a body in chunks

    def command(self) -> list[str | Path]:
        raise NotImplementedError

    def variables(self) -> dict[str, str]:
        return {}

    def play(self, steps: list[dict]) -> list[list]:
        lane = self.lane
        job = {"proxy": lane.url if lane.through_proxy else "", "ca": str(lane.ca),
               "steps": [{"body": "", "chunked": False, **step} for step in steps]}
        out = lane.run(*self.command(), variables=self.variables(), data=json.dumps(job).encode()).stdout
        answers = [json.loads(line) for line in out.splitlines()]
        assert len(answers) == len(steps), f"{len(answers)} answers to {len(steps)} steps: {out[-500:]!r}"
        return answers

    def get_all(self, site: Web) -> None:
        expected = dict(BODIES)
        if not self.unpacks:
            expected["/gzip"] = RAW_GZIP
        steps = [{"method": "GET", "url": site.url(path)} for path in expected]
        steps.append({"method": "HEAD", "url": site.url("/large")})
        for step, answer, body in zip(steps, self.play(steps), [*expected.values(), b""]):
            assert answer == [200, digest(body), len(body)], f"{step}: {answer}, not {digest(body)} {len(body)}"

    def put_all(self, site: Web) -> None:
        body = self.lane.uploads.read_bytes()
        said = f"{digest(body)} {len(body)}".encode()
        steps = [{"method": method, "url": site.url("/upload"), "body": str(self.lane.uploads), "chunked": chunked}
                 for method in ("PUT", "POST") for chunked in ((False, True) if self.chunks else (False,))]
        for step, answer in zip(steps, self.play(steps)):
            assert answer == [200, digest(said), len(said)], f"{step}: {answer}"
        framings = [each.framing for each in site.seen]
        assert framings == [{True: "chunked", False: "length"}[step["chunked"]] for step in steps], framings

    def do_http(self) -> None:
        self.get_all(self.lane.plain)

    def do_https(self) -> None:
        self.get_all(self.lane.secure)

    def do_upload(self) -> None:
        self.put_all(self.lane.plain)

    def do_https_upload(self) -> None:
        self.put_all(self.lane.secure)

    def do_keep_alive(self) -> None:
        for site in (self.lane.plain, self.lane.secure):
            answers = self.play([{"method": "GET", "url": site.url("/large")}] * 10)
            assert answers == [[200, digest(BODIES["/large"]), len(BODIES["/large"])]] * 10, answers
            assert site.accepted == 1, f"{site.name}: {site.accepted} connections to the origin"


@functools.cache
def python_with(modules: str) -> str:
    """An interpreter that has them: the one of the path may be another than Debian's."""
    for program in ("python3", "/usr/bin/python3"):
        if found(program) and subprocess.run([program, "-c", f"import {modules}"], capture_output=True).returncode == 0:
            return program
    return ""


class Requests(Script):
    name, packages, program = "Python requests", "python3-requests python3-socks", "python3"

    @classmethod
    def missing(cls) -> str:
        return "" if python_with("requests, socks") else f"needs {cls.packages}"

    def command(self) -> list[str | Path]:
        return [python_with("requests, socks"), SCRIPTS / "fetch_requests.py"]


class Urllib(Script):
    name, packages, program = "Python urllib", "python3", "python3"
    columns, unpacks = ("http",), False

    @classmethod
    def can(cls, kind: str, column: str) -> bool:
        return kind != "keep-alive"  # it closes every connection

    def command(self) -> list[str | Path]:
        return ["python3", SCRIPTS / "fetch_urllib.py"]


class Undici(Script):
    name, packages, program = "Node undici", "nodejs node-undici", "node"

    @classmethod
    def missing(cls) -> str:
        folder = Path("/usr/share/nodejs/undici")
        return "" if found("node") and folder.is_dir() else f"needs {cls.packages}"

    def command(self) -> list[str | Path]:
        return ["node", SCRIPTS / "fetch_undici.js"]

    def variables(self) -> dict[str, str]:
        # Node 18 tries one address only, and the proxy listens on 127.0.0.1
        return {"NODE_PATH": "/usr/share/nodejs", "NODE_EXTRA_CA_CERTS": str(self.lane.ca), "NODE_NO_WARNINGS": "1",
                "NODE_OPTIONS": "--dns-result-order=ipv4first"}


class Go(Script):
    name, packages, program, quick = "Go net/http", "golang-go", "go", False

    def command(self) -> list[str | Path]:
        """Built once for all cells; the cache is the user's own, or the one that GOCACHE names."""
        lane = self.lane
        cache = os.environ.get("GOCACHE") or str(Path.home() / ".cache/go-build")
        program = lane.folder / "fetch"
        lane.run("go", "build", "-o", program, SCRIPTS / "fetch.go", within=600,
                 variables={"GOCACHE": cache, "GO111MODULE": "off", "GOPROXY": "off", "GOFLAGS": ""})
        return [program]
