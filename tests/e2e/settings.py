"""What the environment asks for: which program, which reactor, how much time a slow build may take.

CO_WQ_PROXY    the program under test; default: the release build of this checkout
CO_WQ_REACTOR  epoll, uring, or iocp for a program of Windows that CO_WQ_PROXY runs under Wine; default: epoll
CO_WQ_STORM    tunnels in the storm test, and the measure of the load while the system fails; default 1300
CO_WQ_SEED     of what is drawn at random; default 1
"""
import mmap
import os
import signal
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROXY = Path(os.environ.get("CO_WQ_PROXY", HERE.parents[1] / "build/release/bin/co_http_proxy")).resolve()
REACTOR = os.environ.get("CO_WQ_REACTOR", "epoll")
WINDOWS = REACTOR == "iocp"
# what ends it in order; Wine makes Ctrl+C of SIGINT, and has no use for SIGTERM
STOP = signal.SIGINT if WINDOWS else signal.SIGTERM
# what a program of Windows is told by --tell instead
WORDS = {signal.SIGHUP: "reload", signal.SIGUSR1: "reopen", signal.SIGTERM: "drain"}
# what starts it
COMMAND = [str(HERE.parents[1] / "tools/wine"), str(PROXY)] if WINDOWS else [str(PROXY)]
COMPILER = os.environ.get("CO_WQ_COMPILER", "Clang")
STORM = int(os.environ.get("CO_WQ_STORM", "1300"))
SEED = int(os.environ.get("CO_WQ_SEED", "1"))


def _sanitizer(program: Path) -> str:
    marks = {b"__tsan_init": "thread", b"__asan_init": "address", b"__ubsan_handle": "undefined"}
    try:
        with open(program, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return next((name for mark, name in marks.items() if text.find(mark) >= 0), "")
    except (OSError, ValueError):
        return ""


SANITIZER = _sanitizer(PROXY)
SCALE = 4 if SANITIZER else 1  # how much slower than a release build

TIMEOUT = 20.0 * SCALE  # for what must happen but may take its time
PROMPT = 5.0 * SCALE  # for what must happen at once: far below every default time limit of the proxy
MIB = 1 << 20
BULK = 100 * MIB // (8 if SANITIZER else 1)


def memory(mib: float) -> int:
    """A limit of memory growth in KiB; sanitizers keep freed memory and shadow what is used."""
    return int(mib * 1024 * (8 if SANITIZER else 1))
