#!/usr/bin/env python3
"""Real clients through the real co_http_proxy: prints what passed, client by client and kind by kind.

  matrix.py [--quick] [--reactor epoll|uring|both] [--client NAME]... [--column NAME]... [--kind NAME]...
            [--need-column NAME]... [--need-all] [--stand-ins] [--markdown FILE] [--list]

The program is CO_WQ_PROXY, or the release build of this checkout. Exit status 1 if a cell failed, or was skipped for
want of a column that is needed or, with --need-all, of a client.
"""
import argparse
import contextlib
import os
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import settings  # noqa: E402
from clients import CLIENTS  # noqa: E402
from clients.client import KINDS, Client  # noqa: E402
from columns import COLUMNS, STAND_INS, Column  # noqa: E402
from lanes import Lane, forget_authority  # noqa: E402

REACTORS = ("epoll", "uring")
HEADINGS = {"https-upload": "https upload"}


@dataclass
class Cell:
    client: str
    column: str
    kind: str
    reactor: str
    state: str  # passed, failed or skipped
    seconds: float = 0.0
    why: str = ""


def run_cell(client: type[Client], column: Column, kind: str, reactor: str, **how) -> Cell:
    cell = Cell(client.name, column.name, kind, reactor, "passed")
    begun = time.monotonic()
    lane = Lane(column, reactor, **how)
    try:
        with lane:
            begun = time.monotonic()
            client(lane).do(kind)
            cell.seconds = time.monotonic() - begun
    except Exception as failure:  # the cell's, whatever it is: the others go on
        cell.state, cell.seconds = "failed", time.monotonic() - begun
        cell.why = f"{failure}" if isinstance(failure, AssertionError) else traceback.format_exc()
        for site in lane.sites:
            cell.why += "".join(f"\n{site.name}: {each}" for each in site.failures)
    return cell


def plan(chosen: argparse.Namespace) -> list[Cell | tuple]:
    """What is to be run, and what is skipped and why, in the order of the table."""
    steps: list[Cell | tuple] = []
    reactors = REACTORS if chosen.reactor == "both" else (chosen.reactor,)
    columns = [column for column in COLUMNS if column.name in chosen.column]
    if chosen.stand_ins:
        columns = [STAND_INS[column.name] if column.missing() else column for column in columns]
    unable = {column.name: column.missing() for column in columns}
    for client in CLIENTS:
        if client.name not in chosen.client or (chosen.quick and not client.quick):
            continue
        missing = client.missing()
        for column in columns:
            for kind in client.kinds(column.name):
                if kind not in chosen.kind:
                    continue
                why = unable[column.name] or missing
                steps += [Cell(client.name, column.name, kind, reactor, "skipped", why=why) if why
                          else (client, column, kind, reactor) for reactor in reactors]
    return steps


def show(cell: Cell) -> None:
    where = f"{cell.client} | {cell.column} | {cell.kind} | {cell.reactor}"
    print(f"{cell.state:7} {cell.seconds:6.2f} s  {where}{': ' + cell.why if cell.why else ''}", flush=True)


# -- tables


def text_of(cells: list[Cell]) -> str:
    """One field of the table: the time on each reactor, or why there is none."""
    if not cells:
        return "-"
    if all(cell.state == "skipped" for cell in cells):
        return "skipped"
    return " / ".join({"failed": "FAILED", "skipped": "skipped"}.get(cell.state, f"{cell.seconds:.2f}")
                      for cell in cells)


def table(cells: list[Cell]) -> list[list[str]]:
    kinds = [kind for kind in KINDS if any((cell.kind, cell.state != "skipped") == (kind, True) for cell in cells)]
    rows = [["client", "proxy as", *(HEADINGS.get(kind, kind) for kind in kinds)]]
    for client, column in dict.fromkeys((cell.client, cell.column) for cell in cells):
        mine = [cell for cell in cells if (cell.client, cell.column) == (client, column)]
        if all(cell.state == "skipped" for cell in mine):
            continue
        rows.append([client, column, *(text_of([cell for cell in mine if cell.kind == kind]) for kind in kinds)])
    return rows


def drawn(rows: list[list[str]], left: str = "", between: str = "  ", right: str = "") -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [(left + between.join(text.ljust(width) for text, width in zip(row, widths)) + right).rstrip()
            for row in rows]


def skipped(cells: list[Cell]) -> list[str]:
    """What is missing, once for each reason."""
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if cell.state == "skipped":
            who = cell.client if cell.why.startswith("needs ") else f"the column {cell.column}"
            reasons.setdefault(cell.why, []).append(who)
    return [f"{', '.join(dict.fromkeys(who))}: {why}" for why, who in reasons.items()]


def counted(cells: list[Cell]) -> str:
    number = {state: sum(cell.state == state for cell in cells) for state in ("passed", "failed", "skipped")}
    return ", ".join(f"{count} {state}" for state, count in number.items())


def markdown(cells: list[Cell], command: str) -> str:
    head, *rows = drawn(table(cells), "| ", " | ", " |")
    ruler = "|" + "|".join("-" * len(field) for field in head.strip("|").split("|")) + "|"
    reactors = " / ".join(dict.fromkeys(cell.reactor for cell in cells))
    lines = ["# Real clients", "", "Made by:", "", "```sh", command, "```", "",
             "What a kind is and when a cell passes: [tests/acceptance/README.md](../tests/acceptance/README.md).",
             f"Each field: seconds on {reactors}, in one run with the origins on the same machine; no benchmark.",
             "`-`: the client has no such thing.", "", head, ruler, *rows, "", f"{counted(cells)}."]
    if missing := skipped(cells):
        lines += ["", "Skipped:", "", *(f"- {each}" for each in missing)]
    return "\n".join(lines) + "\n"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the clients that are quick to start")
    parser.add_argument("--reactor", choices=(*REACTORS, "both"), default=os.environ.get("CO_WQ_REACTOR", "both"))
    for name, values in (("client", [client.name for client in CLIENTS]), ("kind", KINDS),
                         ("column", [column.name for column in COLUMNS])):
        parser.add_argument(f"--{name}", action="append", choices=values, help="only these; may be given again")
    parser.add_argument("--need-column", action="append", default=[], choices=[column.name for column in COLUMNS],
                        help="a binary without it is a failure")
    parser.add_argument("--stand-ins", action="store_true",
                        help="columns that the binary lacks are put before it by front.py")
    parser.add_argument("--need-all", action="store_true", help="a client that is not installed is a failure")
    parser.add_argument("--markdown", type=Path, help="write the table there")
    parser.add_argument("--list", action="store_true", help="only say what would be run")
    chosen = parser.parse_args(arguments)
    if chosen.stand_ins and chosen.markdown:
        parser.error("a table is about the binary, not about stand-ins")
    chosen.client = chosen.client or [client.name for client in CLIENTS]
    chosen.column = chosen.column or [column.name for column in COLUMNS]
    chosen.kind = chosen.kind or list(KINDS)
    return chosen


def main(arguments: list[str]) -> int:
    chosen = parse(arguments)
    Lane.check_names()
    steps = plan(chosen)
    if chosen.list:
        for step in steps:
            print(f"skipped: {step}" if isinstance(step, Cell) else " | ".join((step[0].name, step[1].name, *step[2:])))
        return 0
    cells = []
    with contextlib.ExitStack() as stack:
        stack.callback(forget_authority)
        for step in steps:
            cells.append(step if isinstance(step, Cell) else run_cell(*step))
            if cells[-1].state != "skipped":
                show(cells[-1])
    print("", *drawn(table(cells)), "", *(f"skipped: {each}" for each in skipped(cells)), sep="\n")
    print(f"acceptance of {settings.PROXY.name}: {counted(cells)}")
    if chosen.markdown:
        command = " ".join(["./dev acceptance", *(word for word in arguments if word != "--need-all")])
        chosen.markdown.write_text(markdown(cells, command))
    not_there = [cell for cell in cells if cell.state == "skipped" and
                 (cell.why.startswith("needs ") and chosen.need_all or cell.column in chosen.need_column)]
    nothing = not any(cell.state == "passed" for cell in cells)
    return int(nothing or bool(not_there) or any(cell.state == "failed" for cell in cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
