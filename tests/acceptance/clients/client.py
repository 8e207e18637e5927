"""What a client of the matrix is: its kinds are methods, its columns are what its makers gave it."""
from lanes import Lane, found

# What is done through the proxy, in the order of the table.
KINDS = ("http", "upload", "https", "https-upload", "keep-alive", "tunnel", "socks4a", "ws", "wss")


class Client:
    name = ""
    packages = ""  # of Debian
    program = ""  # which must be on the path
    quick = False  # belongs to the leg of every test run
    columns: tuple[str, ...] = ("http", "https", "socks5")

    def __init__(self, lane: Lane):
        self.lane = lane

    @classmethod
    def missing(cls) -> str:
        """Why it cannot run here; empty: it can."""
        return "" if found(cls.program) else f"needs {cls.packages}"

    @classmethod
    def kinds(cls, column: str) -> list[str]:
        """The methods it has, named by KINDS."""
        if column not in cls.columns:
            return []
        return [kind for kind in KINDS if hasattr(cls, cls.method(kind)) and cls.can(kind, column)]

    @classmethod
    def can(cls, kind: str, column: str) -> bool:
        return True

    @staticmethod
    def method(kind: str) -> str:
        return "do_" + kind.replace("-", "_")

    def do(self, kind: str) -> None:
        getattr(self, self.method(kind))()
