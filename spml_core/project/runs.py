"""Training runs: a row in the database, and a folder ``runs/ID`` for what the training writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from spml_core.classes import MAX_CLASSES
from spml_core.errors import ConfigError, ProjectError
from spml_core.io import json_line, storage_errors, write_atomic
from spml_core.io.own_files import check_own, open_to_append, read_own
from spml_core.project.database import Database
from spml_core.project.history import now
from spml_core.project.schema import OLD_RUN_CLASSES

RunState = Literal["running", "finished", "stopped", "failed"]
RUN_STATES: tuple[RunState, ...] = get_args(RunState)

FACTS_FILE = "facts.json"
"""What a run started from, in its folder."""

_RUN_ID = re.compile(r"run-[0-9]{4,9}")
_CURRENT = "current_run"
_PIECE = 1 << 16


@dataclass(frozen=True)
class RunFacts:
    """What a run started from.

    Parameters
    ----------
    class_ids : tuple of int
        Ids of the project's classes then: its label code i was class ``class_ids[i]``.
    marks : int
        Marks that were shown.
    marked_pictures, pictures : int
        Pictures with a mark, and all; of films only the frames with a mark are counted.
    """

    class_ids: tuple[int, ...]
    marks: int
    marked_pictures: int
    pictures: int


@dataclass(frozen=True)
class FinishedMetrics:
    """How a run ended.

    Parameters
    ----------
    held_back_score : float or None
        Mean IoU (0..1) on marks that were kept out.
    seconds : float
        What training took.
    """

    held_back_score: float | None
    seconds: float


@dataclass(frozen=True)
class Run:
    """A training run. Needs no database: a training process can write into it while another holds it.

    Parameters
    ----------
    id : str
        ``run-0001`` and so on.
    folder : Path
        Holds config.json, facts.json, metrics.jsonl, the model and checkpoints.
    created : str
        ISO 8601, UTC.
    state : str
        When this object was made: running, finished, stopped or failed.
    """

    id: str
    folder: Path
    created: str
    state: RunState

    @property
    def config(self) -> dict[str, Any]:
        """What the run was started with.

        Raises
        ------
        ProjectError
            If config.json is missing or damaged.
        """
        path = self.folder / "config.json"
        try:
            config = json.loads(read_own(path))
        except (OSError, ValueError, RecursionError) as error:
            raise ProjectError(f"{path} can't be read: {str(error)[:200]}.", "Train anew.") from error
        if not isinstance(config, dict):
            raise ProjectError(f"{path} is no JSON object.", "Train anew.")
        return config

    @property
    def facts(self) -> RunFacts | None:
        """What the run started from; None of a run of an older program, or if facts.json is damaged."""
        try:
            facts = json.loads(read_own(self.folder / FACTS_FILE))
            ids = tuple(_whole(number) for number in facts["class_ids"][:MAX_CLASSES])
            return RunFacts(ids, *(_whole(facts[key]) for key in ("marks", "marked_pictures", "pictures")))
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            RecursionError,
        ):  # a model without them can still be used
            return None

    @property
    def class_ids(self) -> tuple[int, ...] | None:
        """Ids of the project's classes when the run was made, in the order of its label codes; or None."""
        facts = self.facts
        return None if facts is None else facts.class_ids

    @property
    def finished_metrics(self) -> FinishedMetrics | None:
        """How the run ended, by the last such line of metrics.jsonl; None if there is none yet."""
        for line in reversed(self._metrics_lines()):
            if b'"finished"' not in line or (event := _event(line)) is None:
                continue
            with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
                if event["event"] == "finished":
                    score = event.get("held_back_score")
                    return FinishedMetrics(None if score is None else float(score), float(event["seconds"]))
        return None

    @property
    def steps(self) -> int | None:
        """Learning steps taken, by the last line of metrics.jsonl that tells; None if none does."""
        for line in reversed(self._metrics_lines()):
            if b'"step"' in line and (event := _event(line)) is not None:
                step = event.get("step")
                if isinstance(step, int) and not isinstance(step, bool):
                    return step
        return None

    def append_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Write one line to metrics.jsonl, and flush it. NaN and infinities become null.

        Raises
        ------
        StorageError
            If the line can't be written; the lines before it stay.
        """
        line = json_line(metrics)
        path = self.folder / "metrics.jsonl"
        with open_to_append(path) as file:
            _drop_torn_line(file)
            file.write(line.encode() + b"\n")
            file.flush()

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl, of a very long file the last; one that a kill cut short is left out."""
        return [event for line in self._metrics_lines() if (event := _event(line)) is not None]

    def _metrics_lines(self) -> list[bytes]:
        path = self.folder / "metrics.jsonl"
        try:
            content = read_own(path, end=True)
        except OSError:
            return []
        return [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]


def new_run(database: Database, runs_folder: Path, config: Mapping[str, Any], facts: RunFacts) -> Run:
    """Make a run's folder, then its row: every run in the database has its folder."""
    try:
        text = json.dumps(config, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"The configuration can't be saved as JSON: {error}.", "Use plain values."
        ) from error
    database.require_file()  # else the folder would be made anew
    taken = [int(path.name[4:]) for path in runs_folder.glob("run-*") if _RUN_ID.fullmatch(path.name)]
    number = max([database.value("SELECT max(number) FROM runs") or 0, *taken]) + 1
    run = Run(f"run-{number:04d}", runs_folder / f"run-{number:04d}", now(), "running")
    check_own(run.folder)
    with storage_errors(run.folder):
        run.folder.mkdir(parents=True)
    write_atomic(run.folder / "config.json", (text + "\n").encode())
    write_atomic(run.folder / FACTS_FILE, (json.dumps(asdict(facts), indent=1) + "\n").encode())
    with database.transaction():
        database.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (number, run.id, run.created, run.state))
    return run


def load_runs(database: Database, runs_folder: Path) -> tuple[Run, ...]:
    """All runs, oldest first."""
    rows = database.rows("SELECT id, created, state FROM runs ORDER BY number")
    return tuple(Run(key, runs_folder / _checked(key), created, state) for key, created, state in rows)


def load_run(database: Database, runs_folder: Path, key: str) -> Run:
    """Return the run of this id."""
    _require(database, key)
    return next(run for run in load_runs(database, runs_folder) if run.id == key)


def set_run_state(database: Database, key: str, state: RunState) -> None:
    """Set the state of a run."""
    if state not in RUN_STATES:
        raise ProjectError(f"A run can't be {state!r}.", f"It is one of {', '.join(RUN_STATES)}.")
    _require(database, key)
    with database.transaction():
        database.execute("UPDATE runs SET state = ? WHERE id = ?", (state, key))


def stop_orphans(database: Database) -> None:
    """Mark runs as stopped whose process died. Only the holder of the writer's lock may call this."""
    if database.value("SELECT count(*) FROM runs WHERE state = 'running'"):
        database.execute("UPDATE runs SET state = 'stopped' WHERE state = 'running'")


def current_run(database: Database, runs_folder: Path) -> Run | None:
    """Return the run whose model the project uses, or None."""
    key = database.meta(_CURRENT)
    return next((run for run in load_runs(database, runs_folder) if run.id == key), None)


def set_current_run(database: Database, key: str) -> None:
    """Choose the run whose model the project uses."""
    _require(database, key)
    database.set_meta(_CURRENT, key)


def class_ids_of(database: Database, run: Run, today: Sequence[int]) -> tuple[int, ...]:
    """Ids of the classes a run was made with; of a run that didn't keep them, those that are likeliest."""
    if run.class_ids is not None:
        return run.class_ids
    kept = database.meta(OLD_RUN_CLASSES)
    if kept is not None:
        with contextlib.suppress(ValueError, TypeError, RecursionError):
            return tuple(_whole(number) for number in json.loads(kept))[:MAX_CLASSES]
    return tuple(today)[:MAX_CLASSES]


def _require(database: Database, key: str) -> None:
    if database.value("SELECT id FROM runs WHERE id = ?", (_checked(key),)) is None:
        raise ProjectError(f"There is no run {key!r}.", "spml info lists the project's runs.")


def _checked(key: str) -> str:
    """Return the id if it names a folder right under ``runs/``: project files come from others, too."""
    if not isinstance(key, str) or not _RUN_ID.fullmatch(key):
        raise ProjectError(f"{key!r} is no run id.", "Run ids look like run-0001.")
    return key


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError(value)


def _event(line: bytes) -> dict[str, Any] | None:
    """What a line of metrics.jsonl says; None if it is damaged."""
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(line)
        if isinstance(event, dict):
            return event
    return None


def _drop_torn_line(file: Any) -> None:
    """Cut off what a kill left behind the last whole line."""
    end = whole = file.seek(0, os.SEEK_END)
    while whole:
        start = max(0, whole - _PIECE)
        file.seek(start)
        newline = file.read(whole - start).rfind(b"\n")
        whole = start + newline + 1
        if newline >= 0:
            break
    if whole < end:
        file.truncate(whole)
    file.seek(0, os.SEEK_END)
