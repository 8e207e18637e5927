"""The forward proxies that bench/proxy.py knows: how each is told to do the same work with one worker, and no more."""
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OURS = "co_http_proxy"
GO_LIBRARIES = Path("/usr/share/gocode")
Command = tuple[list[str], dict[str, str]]


@dataclass
class Peer:
    name: str
    command: Callable[[Path, int], Command]  # a folder of its own, a port of 127.0.0.1
    forwards: bool = True
    tunnel: str = "http"  # by CONNECT; or "socks5", or "": none


def ours(program: Path, reactor: str) -> Callable[[Path, int], Command]:
    return lambda folder, port: ([str(program), "--port", str(port), "--threads", "1", "--reactor", reactor,
                                  "--log-level", "error"], {})


def haproxy(folder: Path, port: int) -> Command:
    file = folder / "haproxy.cfg"
    file.write_text(f"""
global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout connect 5s
    timeout client 5m
    timeout server 5m
frontend clients
    bind 127.0.0.1:{port}
    http-request deny unless {{ url_ip -m found }}
    http-request set-dst url_ip
    http-request set-dst-port url_port
    http-request set-uri %[pathq]
    default_backend anywhere
backend anywhere
    http-reuse always
    server origin 0.0.0.0:0
""")
    return ["haproxy", "-db", "-f", str(file)], {}


def squid(folder: Path, port: int) -> Command:
    file = folder / "squid.conf"
    lines = (f"http_port 127.0.0.1:{port}", "http_access allow all", "cache deny all", "cache_mem 0", "access_log none",
             "cache_store_log none", f"cache_log {folder}/cache.log", f"pid_filename {folder}/pid", "pinger_enable off",
             f"coredump_dir {folder}", "netdb_filename none", "max_filedescriptors 20000", "visible_hostname bench",
             "shutdown_lifetime 0 seconds", "workers 1")
    file.write_text("\n".join(lines) + "\n")
    return ["squid", "-N", "-f", str(file)], {}


def tinyproxy(folder: Path, port: int) -> Command:
    file = folder / "tinyproxy.conf"
    file.write_text(f"Listen 127.0.0.1\nPort {port}\nAllow 127.0.0.1\nMaxClients 20000\nTimeout 600\n"
                    f"LogLevel Critical\nLogFile \"{folder}/log\"\n")
    return ["tinyproxy", "-d", "-c", str(file)], {}


def privoxy(folder: Path, port: int) -> Command:
    file = folder / "config"
    file.write_text(f"confdir {folder}\nlogdir {folder}\nlisten-address 127.0.0.1:{port}\ntoggle 0\n"
                    "keep-alive-timeout 300\nsocket-timeout 300\ntolerate-pipelining 1\nconnection-sharing 1\n"
                    "max-client-connections 20000\nlisten-backlog 4096\n")
    return ["privoxy", "--no-daemon", str(file)], {}


def nginx(folder: Path, port: int) -> Command:
    file = folder / "nginx.conf"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    spools = "".join(f"{each}_temp_path {folder}/{each}; " for each in kinds)
    file.write_text(f"""
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/pid; error_log {folder}/errors crit;
events {{ worker_connections 16000; }}
http {{
    access_log off; keepalive_requests 100000000; proxy_max_temp_file_size 0; {spools}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
            proxy_pass http://$http_host$request_uri;
        }}
    }}
}}
""")
    return ["nginx", "-e", f"{folder}/first_errors", "-c", str(file)], {}


def trafficserver(folder: Path, port: int) -> Command:
    program = shutil.which("traffic_server") or ""
    prefix = Path(program).resolve().parent.parent
    etc = folder / "etc"
    shutil.copytree("/etc/trafficserver", etc)
    for name in ("var", "log", "cache"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    (etc / "storage.config").write_text("")
    (etc / "ip_allow.yaml").write_text("ip_allow:\n- {apply: in, ip_addrs: 127.0.0.0/8, action: allow, methods: ALL}\n")
    numbers = {"exec_thread.autoconfig": 0, "exec_thread.limit": 1, "exec_thread.affinity": 0, "accept_threads": 0,
               "task_threads": 1, "http.cache.http": 0, "log.logging_enabled": 0, "url_remap.remap_required": 0,
               "reverse_proxy.enabled": 0, "net.connections_throttle": 19000, "net.max_connections_in": 19000,
               "http.keep_alive_no_activity_timeout_in": 300}
    words = {"http.server_ports": f"{port}:ip-in=127.0.0.1", "http.connect_ports": "*", "admin.user_id": "nobody",
             "body_factory.template_sets_dir": f"{etc}/body_factory", "http.server_session_sharing.pool": "thread"}
    (etc / "records.config").write_text(
        "".join(f"CONFIG proxy.config.{key} INT {value}\n" for key, value in numbers.items()) +
        "".join(f"CONFIG proxy.config.{key} STRING {value}\n" for key, value in words.items()))
    places = {"prefix": folder, "exec_prefix": prefix, "bindir": prefix / "bin", "sbindir": prefix / "bin",
              "sysconfdir": etc, "datadir": folder / "cache", "libexecdir": prefix / "lib/trafficserver/modules",
              "localstatedir": folder / "var", "runtimedir": folder / "var", "logdir": folder / "log",
              "cachedir": folder / "cache"}
    root = folder / "runroot.yaml"
    root.write_text("".join(f"{key}: {value}\n" for key, value in places.items()))
    return [program, f"--run-root={root}"], {"TS_RUNROOT": str(root)}


def microsocks(_folder: Path, port: int) -> Command:
    return ["microsocks", "-i", "127.0.0.1", "-p", str(port)], {}


def goproxy(folder: Path, port: int) -> Command:
    """Built anew each time: Go's cache makes that short."""
    program, source = folder / "goproxy", Path(__file__).parent / "peers/goproxy.go"
    subprocess.run(["go", "build", "-o", program, source], check=True,
                   env=os.environ | {"GO111MODULE": "off", "GOPATH": str(GO_LIBRARIES)})
    return [str(program), f"127.0.0.1:{port}"], {"GOMAXPROCS": "1"}


def installed(folder: Path, only: list[str]) -> list[Peer]:
    """Ours, from the build, and those of the others that are there."""
    program = folder / OURS
    found = [Peer(f"{OURS}, epoll", ours(program, "epoll")), Peer(f"{OURS}, io_uring", ours(program, "uring"))]
    for peer, executable in ((Peer("haproxy", haproxy, tunnel=""), "haproxy"), (Peer("squid", squid), "squid"),
                             (Peer("tinyproxy", tinyproxy), "tinyproxy"), (Peer("privoxy", privoxy), "privoxy"),
                             (Peer("nginx", nginx, tunnel=""), "nginx"),
                             (Peer("trafficserver", trafficserver), "traffic_server"),
                             (Peer("microsocks", microsocks, forwards=False, tunnel="socks5"), "microsocks")):
        if shutil.which(executable):
            found.append(peer)
    if shutil.which("go") and (GO_LIBRARIES / "src/github.com/elazarl/goproxy").exists():
        found.append(Peer("goproxy", goproxy))
    return [peer for peer in found if not only or any(peer.name.startswith(each) for each in only)]
