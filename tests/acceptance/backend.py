"""git http-backend (git-http-backend(1)) behind an origin: one process a request, spoken to as CGI (RFC 3875)."""
import os
import subprocess
from pathlib import Path

from wire import Message, response


def serve_git(root: Path, asked: Message) -> bytes:
    path, _, query = asked.target.removeprefix("/git").partition("?")
    variables = {
        "PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "client", "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": asked.method, "PATH_INFO": path, "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(asked.body)), "CONTENT_TYPE": asked.get("Content-Type") or "",
        "HTTP_CONTENT_ENCODING": asked.get("Content-Encoding") or "",
        "HTTP_GIT_PROTOCOL": asked.get("Git-Protocol") or "",
    }
    done = subprocess.run(["git", "http-backend"], env=variables, input=asked.body, capture_output=True, timeout=60)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    fields = [tuple(line.decode("latin-1").split(": ", 1)) for line in head.split(b"\r\n") if line]
    status = next((value for name, value in fields if name == "Status"), "200 OK")
    if done.returncode != 0 or not fields:
        raise AssertionError(f"git http-backend: {done.returncode} {done.stderr.decode(errors='replace')}")
    return response(body, status=status, fields=[each for each in fields if each[0] != "Status"])
