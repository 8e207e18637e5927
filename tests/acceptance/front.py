"""Stand-ins before the binary's own port, for columns that it does not have: they show that the clients' cells work,
and, with a fault, that a cell fails when it must."""
import asyncio
import contextlib
import ssl
import threading

FAULTS = ("changed-bytes", "forgotten-connections")


class Front:
    """TLS with a server's context, or SOCKS5 without one; what comes is carried to the proxy on behind."""

    def __init__(self, behind: int, tls: ssl.SSLContext | None = None, fault: str = ""):
        self._behind, self._fault = behind, fault
        self._socks = tls is None
        self._kept: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._ask(asyncio.start_server(self._relay, "127.0.0.1", 0, ssl=tls))
        self.port = self._server.sockets[0].getsockname()[1]

    def _ask(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            proxy_reader, proxy_writer = await asyncio.open_connection("127.0.0.1", self._behind)
            if self._fault == "forgotten-connections":
                self._kept.append(proxy_writer)
            else:
                ends.append(proxy_writer)
            if self._socks:
                await open_by_socks(reader, writer, proxy_reader, proxy_writer)
            # TLS has no half-close that everybody understands: either end ends both
            ways = [asyncio.ensure_future(self._carry(*way))
                    for way in ((reader, proxy_writer), (proxy_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            end.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await end.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self._fault == "changed-bytes":
                data = data.replace(b"a small", b"A small")
            writer.write(data)
            await writer.drain()

    async def _end(self) -> None:
        for writer in self._kept:
            writer.close()
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def close(self) -> None:
        self._ask(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def open_by_socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy_reader: asyncio.StreamReader,
                        proxy_writer: asyncio.StreamWriter) -> None:
    """CONNECT to a name by RFC 1928 without authentication, or by SOCKS4a; spoken to the proxy as HTTP's CONNECT."""
    version, methods = await reader.readexactly(2)
    if version == 4:
        port = int.from_bytes(await reader.readexactly(2), "big")
        await reader.readexactly(4)
        _, name = [(await reader.readuntil(b"\0"))[:-1].decode() for _ in range(2)]
        return await connect(name, port, bytes([0, 0x5a]) + bytes(6), writer, proxy_reader, proxy_writer)
    if version != 5 or 0 not in await reader.readexactly(methods):
        raise ConnectionError("no SOCKS5 greeting without authentication")
    writer.write(b"\x05\x00")
    version, command, _, kind = await reader.readexactly(4)
    if (version, command, kind) != (5, 1, 3):
        raise ConnectionError(f"SOCKS request {(version, command, kind)}: a CONNECT to a name was expected")
    name = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    await connect(name, port, bytes([5, 0, 0, 1]) + bytes(6), writer, proxy_reader, proxy_writer)


async def connect(name: str, port: int, granted: bytes, writer: asyncio.StreamWriter,
                  proxy_reader: asyncio.StreamReader, proxy_writer: asyncio.StreamWriter) -> None:
    """Refused, the client sees the connection end."""
    proxy_writer.write(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n\r\n".encode())
    answer = await proxy_reader.readuntil(b"\r\n\r\n")
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(answer.decode("latin-1"))
    writer.write(granted)
    await writer.drain()
