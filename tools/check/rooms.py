#!/usr/bin/env python3
"""No upward or sideways include: a room may include its own headers and those of rooms above it in cmake/rooms.txt.

Only quoted includes count. They are written from the include root: "net/dns/resolver.hpp", never "../x.hpp".
"""
import re
from typing import Iterator

from tree import CPP, Problem, Tree, line_of, main

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def read_rooms(tree: Tree) -> dict[str, str]:
    """Name to folder, in the order of the stairs."""
    lines = [line.split() for line in tree.text("cmake/rooms.txt").splitlines() if re.match("[a-z]", line)]
    return {fields[0]: fields[1] for fields in lines}


def room_of(path: str, rooms: dict[str, str]) -> str | None:
    """The room whose folder holds path; the innermost one, as src/net/dns lies in src/net."""
    holders = [name for name, folder in rooms.items() if path.startswith(folder + "/")]
    return max(holders, key=lambda name: len(rooms[name]), default=None)


def included_room(header: str, rooms: dict[str, str]) -> str | None:
    for include_root in ("src", "apps"):
        if name := room_of(f"{include_root}/{header}", rooms):
            return name
    return None


def check(tree: Tree) -> Iterator[Problem]:
    rooms = read_rooms(tree)
    order = list(rooms)
    for path in tree.files(("src", "apps"), CPP):
        own = room_of(path, rooms)
        if own is None:
            if path.startswith("src/"):
                yield Problem(path, 1, "belongs to no room of cmake/rooms.txt")
            continue
        text = tree.text(path)
        for match in INCLUDE.finditer(text):
            used = included_room(match.group(1), rooms)
            line = line_of(text, match.start(1))
            if used is None:
                yield Problem(path, line, f'"{match.group(1)}" names no room: write it as "room/header.hpp"')
            elif order.index(used) > order.index(own):
                yield Problem(path, line, f"room '{own}' must not include from '{used}': it stands below in rooms.txt")


if __name__ == "__main__":
    main(check)
