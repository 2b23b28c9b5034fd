"""Do the tests notice if a line is wrong? Mutants of ``functional`` and ``games``.

    python -m tests.mutation trace FOLDER            # which test runs which line
    python -m tests.mutation run FOLDER [count]      # 300 mutants, resumable
    python -m tests.mutation survivors FOLDER        # what no test noticed

A mutant differs from the code in one place: a comparison, an operator, a constant or
default off by one, a condition negated or a ``not`` dropped, two arguments swapped, a
statement deleted. The sample depends on a seed and on the sources alone. Each mutant is
written into a copy of the tree in FOLDER, where the tests that run its line are run in
a fresh process, quick ones first, until one fails. ``trace`` takes the test files and
modules to look at as further arguments; without any it takes those of the two folders.
What survived, and why, is in ``tests/mutation_survivors.md``.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
MUTATED = ("captum_interactions/functional", "captum_interactions/games")
TRACED = ("tests/functional", "tests/games", *MUTATED)
COUNT, SEED = 300, 0
# Quick tests of a line come first; so many seconds of them are asked, by their time.
MOST_SECONDS = 120.0
# Mutants that never end are stopped after this much processor time, or waiting.
CPU_SECONDS, WALL_SECONDS = 240, 900
# Imported once; every mutant's process is a fork that has them already.
SHARED = ("torch", "captum.attr", "scipy.stats", "transformers")

OTHERS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.BitXor: (ast.BitOr,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


class Mutant(NamedTuple):
    """One change of one place of one file."""

    path: str
    line: int
    last: int
    kind: str
    name: str
    source: str


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Give every wrong form of a node, with its kind."""
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for other in OTHERS[type(op)]:
                wrong = copy.deepcopy(node)
                wrong.ops[at] = other()  # type: ignore[assignment]
                yield "comparison", wrong
    elif isinstance(node, (ast.BinOp, ast.AugAssign, ast.BoolOp)):
        for other in OTHERS.get(type(node.op), ()):
            wrong = copy.deepcopy(node)
            wrong.op = other()  # type: ignore[assignment]
            yield "operator", wrong
    elif isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        value = node.value
        if isinstance(value, bool):
            yield "constant", ast.Constant(not value)
        else:
            yield "constant", ast.Constant(value + 1)
            yield "constant", ast.Constant(value - 1)
    elif isinstance(node, ast.UnaryOp):
        yield "dropped sign", node.operand
    elif isinstance(node, ast.Call) and len(node.args) > 1:
        first, second = node.args[:2]
        if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
            wrong = copy.deepcopy(node)
            wrong.args[:2] = [wrong.args[1], wrong.args[0]]
            yield "swapped arguments", wrong
    if isinstance(node, (ast.If, ast.IfExp)):
        yield "condition", ast.UnaryOp(ast.Not(), node.test)
    deleted = isinstance(node, (ast.Raise, ast.AugAssign, ast.Break, ast.Continue))
    deleted |= isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    deleted |= isinstance(node, ast.Assign) and not isinstance(
        node.targets[0], (ast.Name, ast.Tuple)
    )
    if deleted:
        yield "deleted statement", ast.Pass()


def places(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the code of a module: no annotations, strings or lists of exports."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_no_code(child):
                yield from places(child)


def _is_no_code(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.JoinedStr)


def mutants_of(path: str) -> list[Mutant]:
    """Return all mutants of a file, in the order of its lines."""
    source = (ROOT / path).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in places(ast.parse(source)):
        for kind, wrong in changes(node):
            old: Any = getattr(node, "test", node) if kind == "condition" else node
            start = starts[old.lineno - 1] + old.col_offset
            stop = starts[old.end_lineno - 1] + old.end_col_offset
            text = ast.unparse(wrong)
            if isinstance(old, ast.expr):
                text = f"({text})"
            mutated = source[:start] + text.encode() + source[stop:]
            was = " ".join(source[start:stop].decode().split())
            name = f"{path}:{old.lineno}:{old.col_offset} {was} -> {text}"
            found.append(Mutant(path, old.lineno, old.end_lineno, kind, name,
                                mutated.decode()))  # fmt: skip
    return sorted(found, key=lambda mutant: mutant.name)


def sample(count: int) -> list[Mutant]:
    """Draw mutants of all files, each alike."""
    paths = sorted(p for folder in MUTATED for p in (ROOT / folder).rglob("*.py"))
    every = [m for p in paths for m in mutants_of(str(p.relative_to(ROOT)))]
    return random.Random(SEED).sample(every, count)


class Tracer:
    """A plugin that notes the lines of the two folders that each test runs."""

    def __init__(self, root: Path) -> None:
        self._root = str(root) + "/"
        self._lines: set[tuple[str, int]] = set()
        self.tests: dict[str, Any] = {}

    def _enter(self, frame: Any, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self._root):
            return None
        if not name.removeprefix(self._root).startswith(MUTATED):
            return None
        return self._line

    def _line(self, frame: Any, event: str, arg: object) -> Any:
        self._lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self._lines = set()
        start = time.process_time()
        os.register_at_fork(after_in_child=lambda: sys.settrace(None))
        threading.settrace(self._enter)
        sys.settrace(self._enter)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            lines: dict[str, list[int]] = {}
            for name, line in sorted(self._lines):
                lines.setdefault(name.removeprefix(self._root), []).append(line)
            seconds = time.process_time() - start
            self.tests[item.nodeid] = {"seconds": round(seconds, 3), "lines": lines}


def in_fork(work: Any, log: Path) -> int:
    """Run in a process of its own; return its status, or -1 if it did not end."""
    child = os.fork()
    if child == 0:
        os.setsid()
        # What was started in the background ignores it, and some tests send it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        status = 70
        try:
            status = int(work())
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    end = time.monotonic() + WALL_SECONDS
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)  # what it started and left
            return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else -1
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def tests_in(tree: Path, wanted: list[str], *plugins: object) -> int:
    """Run tests of the copied tree until one fails."""
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    options = ["-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider",
               "-W", "ignore::pytest.PytestAssertRewriteWarning",
               "-W", "ignore::ResourceWarning"]  # fmt: skip
    return pytest.main([*options, *wanted], plugins=list(plugins))


def copied(folder: Path) -> Path:
    """Make the tree that mutants are written into, up to date."""
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("captum_interactions", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tree / name)
    for name in ("docs", "benchmarks", "tutorials", "CHANGELOG.md"):
        (tree / name).symlink_to(ROOT / name)
    return tree


def trace(folder: Path, wanted: list[str]) -> None:
    """Note which test runs which line, one file of tests after the other."""
    tree = copied(folder)
    files = [
        p.relative_to(tree)
        for name in wanted or TRACED
        for p in [tree / name, *(tree / name).rglob("*.py")]
        if p.suffix == ".py"
    ]  # fmt: skip
    for path in sorted(p for p in files if p.name != "__init__.py"):
        note = folder / "trace" / f"{str(path).replace('/', '+')}.json"
        if note.exists() or (path.parts[0] == "tests" and path.name[:5] != "test_"):
            continue

        def work(path: Path = path, note: Path = note) -> int:
            tracer = Tracer(tree)
            status = tests_in(tree, [str(path)], tracer)
            note.parent.mkdir(exist_ok=True)
            if status in (0, 5):
                note.write_text(json.dumps(tracer.tests))
            return status

        status = in_fork(work, folder / "log")
        print(path, status, flush=True)


def tests_of(mutant: Mutant, notes: dict[str, Any]) -> list[str]:
    """Return the tests that run a mutant's lines, or its file where none does."""
    found, near = [], []
    for name, note in notes.items():
        lines = note["lines"].get(mutant.path)
        if lines:
            near.append((note["seconds"], name))
            if any(mutant.line <= line <= mutant.last for line in lines):
                found.append((note["seconds"], name))
    chosen, spent = [], 0.0
    for seconds, name in sorted(found or near):
        spent += seconds
        if spent > MOST_SECONDS and chosen:
            break
        chosen.append(name)
    return chosen


def check_sound(tree: Path, log: Path, known: set[str]) -> None:
    """Refuse the verdict of tests that fail without a mutant as well."""
    said = re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", log.read_text(), re.M)
    for name in set(said) - known:
        if in_fork(lambda n=name: tests_in(tree, [n]), log.with_suffix(".sound")) != 0:
            raise RuntimeError(f"{name} fails without any mutant; mend it, go on then")
        known.add(name)


def run(folder: Path, count: int) -> None:
    """Try mutants that were not tried yet."""
    tree, book = copied(folder), folder / "results.json"
    notes: dict[str, Any] = {}
    sound: set[str] = set()
    for path in (folder / "trace").glob("*.json"):
        notes.update(json.loads(path.read_text()))
    results = json.loads(book.read_text()) if book.exists() else {}
    for at, mutant in enumerate(sample(count)):
        if mutant.name in results:
            continue
        wanted = tests_of(mutant, notes)
        path = tree / mutant.path
        kept = path.read_text()
        path.write_text(mutant.source)
        # Compiled files are known by size and whole seconds of time: give each its own.
        os.utime(path, (2e9 + at, 2e9 + at))
        status = in_fork(lambda w=wanted: tests_in(tree, w), folder / "log")
        if status == 4:  # the tests themselves have other names now
            files = sorted({name.partition("::")[0] for name in wanted})
            status = in_fork(lambda w=files: tests_in(tree, w), folder / "log")
        path.write_text(kept)
        os.utime(path, (1e9 + at, 1e9 + at))
        check_sound(tree, folder / "log", sound)
        said = (folder / "log").read_text(errors="replace").splitlines()[-3:]
        if status == 70:
            raise RuntimeError("\n".join(said))
        survived = status in (0, 5)
        results[mutant.name] = {
            "kind": mutant.kind, "survived": survived, "status": status,
            "tests": len(wanted), "by": "" if survived else " ".join(said)[-300:],
        }  # fmt: skip
        book.write_text(json.dumps(results, indent=1, ensure_ascii=False))
        print(at, "SURVIVED" if survived else "killed", mutant.name, flush=True)
    survivors(folder)


def survivors(folder: Path) -> None:
    """List what no test noticed."""
    results = json.loads((folder / "results.json").read_text())
    left = [name for name, result in results.items() if result["survived"]]
    print(f"{len(results) - len(left)} of {len(results)} mutants are noticed; not:")
    print(*sorted(left), sep="\n")


def main(command: str, folder: str, *more: str) -> None:
    """Do what the command line says."""
    place = Path(folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if command == "trace":
        trace(place, list(more))
    elif command == "run":
        run(place, int(more[0]) if more else COUNT)
    else:
        survivors(place)


if __name__ == "__main__":
    main(*sys.argv[1:])
