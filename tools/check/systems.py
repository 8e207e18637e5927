#!/usr/bin/env python3
"""The operating system and third-party libraries stay behind their doors.

System headers, system calls written as ::call() and conditionals on the operating system belong to src/io/backend/
and src/base/os/; each outside library belongs to one folder. systems_allow.txt lists the exceptions:
PATH:WHAT  REASON, where WHAT is the header, call or macro.
"""
import re
from typing import Iterator

from tree import CPP, Problem, Tree, code_only, line_of, main

DOORS = ("src/io/backend/", "src/base/os/")
ALLOW_LIST = "tools/check/systems_allow.txt"

SYSTEM_HEADER = re.compile(
    r"(sys|linux|netinet|arpa|net|asm|bits)/[^/]*\.h|"
    r"(unistd|fcntl|poll|signal|pthread|sched|dirent|netdb|dlfcn|execinfo|ifaddrs|termios|pwd|grp|spawn|syslog|"
    r"ucontext|liburing|windows|winsock2?|ws2tcpip|mswsock|processthreadsapi|errno|aio|mqueue|semaphore|glob)\.h|"
    r"(winternl|psapi|bcrypt|dbghelp|iphlpapi)\.h|csignal|liburing/.*", re.IGNORECASE)
SYSTEM_MACRO = re.compile(
    r"^[ \t]*#[ \t]*(?:el)?if.*?\b(_?_?linux_?_?|_WIN32|_WIN64|WIN32|__MINGW\w+|__APPLE__|__\w+BSD__|__unix__|_MSC_VER|"
    r"__ANDROID__)\b", re.MULTILINE)
SYSTEM_CALL = re.compile(
    r"(?<![\w>:])::(read|write|close|open|socket|bind|listen|accept4?|connect|send|recv|sendmsg|recvmsg|sendto|"
    r"recvfrom|shutdown|getsockopt|setsockopt|getsockname|getpeername|pipe2?|dup[23]?|fcntl|ioctl|poll|ppoll|select|"
    r"epoll_\w+|eventfd|timerfd_\w+|signalfd|splice|tee|vmsplice|sendfile|mmap|munmap|madvise|fork|vfork|exec\w*|"
    r"waitpid|kill|sigaction|sigprocmask|pthread_\w+|sched_\w+|syscall|readv|writev|pread|pwrite|fsync|unlink|"
    r"inotify_\w+|getaddrinfo|io_uring_\w+|usleep|nanosleep|clock_gettime)\s*\(")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)

# Header of an outside library to the one folder that may see it.
CONFINED = {
    r"spdlog/.*": "src/base/",
    r"ares(_\w+)?\.h": "src/net/dns/",
    r"llhttp\.h|llhttp/.*": "src/http/",
    r"CLI/.*": "apps/",
    r"openssl/.*": "src/net/tls/",
    r"crypt\.h": "apps/proxy/policy/",
    r"toml\+\+/.*": "apps/proxy/config/",
    r"hiredis/.*": "examples/",
    r"libusb(-1\.0/libusb)?\.h": "src/io/usb/",
}


def findings(text: str, path: str) -> Iterator[tuple[int, str, str]]:
    """Offset, what, and why it is refused."""
    for match in INCLUDE.finditer(text):
        header = match.group(1)
        if SYSTEM_HEADER.fullmatch(header):
            yield match.start(1), header, "a system header"
        for pattern, home in CONFINED.items():
            if re.fullmatch(pattern, header) and not path.startswith(home):
                yield match.start(1), header, f"only {home} may see this library"
    code = code_only(text)
    for match in SYSTEM_MACRO.finditer(code):
        yield match.start(1), match.group(1), "a conditional on the operating system"
    for match in SYSTEM_CALL.finditer(code):
        yield match.start(1), match.group(1), "a system call"


def check(tree: Tree) -> Iterator[Problem]:
    allowed = tree.allowed(ALLOW_LIST)
    unused = set(allowed)
    for path in tree.files(("src", "apps", "examples"), CPP):
        if path.startswith(DOORS):
            continue
        text = tree.text(path)
        for offset, what, why in findings(text, path):
            key = f"{path}:{what}"
            unused.discard(key)
            if key not in allowed:
                yield Problem(path, line_of(text, offset), f"{what}: {why}; it belongs behind {' or '.join(DOORS)}"
                              if "only" not in why else f"{what}: {why}")
    for key, reason in allowed.items():
        if key in unused:
            yield Problem(ALLOW_LIST, 1, f"{key} is no longer needed: remove the line")
        elif not reason:
            yield Problem(ALLOW_LIST, 1, f"{key} has no reason")


if __name__ == "__main__":
    main(check)
