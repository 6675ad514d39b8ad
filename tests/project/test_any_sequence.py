"""Random sequences of everything that can be done, against a model that begins anew each time."""

import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spml_core.annotations import UNTOUCHED, Patch, Tag
from spml_core.project import Project
from spml_core.project.history import replay


@dataclass
class Action:
    """What was done, in terms that no later edit changes: own numbers for classes, the project's for marks."""

    edit: tuple = ()
    added: dict = field(default_factory=dict)  # mark id: (picture, class numbers)
    removed: tuple = ()
    pictures: tuple = ()


class Model:
    """A list of actions; the state is what those that are done lead to, one after the other."""

    def __init__(self, names):
        self.first = list(enumerate(names))
        self.actions, self.done, self.undone = [], [], []

    def act(self, action):
        self.actions.append(action)
        self.done.append(len(self.actions) - 1)
        self.undone = []

    def classes(self):
        """Class numbers and names in order, and where merged ones went."""
        table, into = list(self.first), {}
        for index in sorted(self.done):
            kind, *values = self.actions[index].edit or ("",)
            if kind == "add":
                table.append(tuple(values))
            elif kind == "rename":
                table = [(number, values[1] if number == values[0] else name) for number, name in table]
            elif kind == "move":
                (pair,) = [pair for pair in table if pair[0] == values[0]]
                table.remove(pair)
                table.insert(values[1], pair)
            elif kind in ("delete", "merge"):
                table = [pair for pair in table if pair[0] != values[0]]
                if kind == "merge":
                    into[values[0]] = values[1]
        return table, into

    def marks(self):
        """Of each picture, mark id to the codes of today that are shown."""
        table, into = self.classes()
        place = {number: code for code, (number, _) in enumerate(table)}
        active = {}
        for index in sorted(self.done):
            active |= self.actions[index].added
            for key in self.actions[index].removed:
                del active[key]
        shown = {1: {}, 2: {}, 3: {}}
        for key, (picture, numbers) in active.items():
            codes = []
            for number in numbers:
                while number in into:
                    number = into[number]
                codes.append(place.get(number, UNTOUCHED))
            if set(codes) != {UNTOUCHED}:
                shown[picture][key] = codes
        return shown

    def spoken_of(self, index):
        known = dict(pair for action in self.actions for pair in action.added.items())
        action = self.actions[index]
        return {number for key in (*action.added, *action.removed) for number in known[key][1]}

    def undoable(self, picture=None):
        if picture is None:
            return max(self.done, default=None)
        for index in sorted(self.done, reverse=True):
            mine = self.actions[index]
            if picture not in mine.pictures:
                continue
            later = [self.actions[other] for other in self.done if other > index]
            touched = {*mine.added, *mine.removed}
            if any(touched & {*action.added, *action.removed} for action in later):
                continue
            left = {
                action.edit[1] for action in later if action.edit and action.edit[0] in ("delete", "merge")
            }
            if left & self.spoken_of(index):
                continue
            return index
        return None

    def undo(self, picture=None):
        index = self.undoable(picture)
        if index is not None:
            self.done.remove(index)
            self.undone.append(index)
        return index

    def redo(self):
        if not self.undone:
            return None
        self.done.append(self.undone.pop())
        return self.done[-1]


NAMES = (
    ["mark"] * 3 + ["patch", "import", "remove", "remove", "add", "rename", "move", "merge", "delete"]
    + ["undo"] * 3 + ["redo"] * 3 + ["undo on"] * 4 + ["reopen"]
)  # fmt: skip
number = st.integers(0, 5)
steps = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(1, 3), number, number), min_size=15, max_size=30
)


def act(project, model, names, name, a, b, c):
    """Do one step in the project and in the model."""
    table = [number for number, _ in model.classes()[0]]
    a_class, b_class = a % len(table), b % len(table)
    if name in ("mark", "patch", "import"):
        if name == "patch":
            marks = {a: [Patch(0, 0, np.array([[b_class, c % len(table)]], np.uint8))]}
            spoken = [(a, (table[b_class], table[c % len(table)]))]
        else:
            pictures = [a] if name == "mark" else [1, 2, 3]
            marks = {picture: [Tag(b_class)] for picture in pictures}
            spoken = [(picture, (table[b_class],)) for picture in pictures]
        keys = project.add_marks(marks, "")
        model.act(Action(added=dict(zip(keys, spoken, strict=True)), pictures=tuple(marks)))
    elif name == "remove":
        shown = {key: picture for picture, keys in model.marks().items() for key in keys}
        doomed = sorted({sorted(shown)[i % len(shown)] for i in (a * 7 + b, c)}) if shown else []
        project.remove_marks(doomed)
        if doomed:
            model.act(Action(removed=tuple(doomed), pictures=tuple(sorted({shown[key] for key in doomed}))))
    elif name == "add":
        fresh = next(names)
        project.add_class(f"class {fresh}")
        model.act(Action(("add", 100 + fresh, f"class {fresh}")))
    elif name == "rename":
        fresh = f"class {next(names)}"
        project.rename_class(a_class, fresh)
        model.act(Action(("rename", table[a_class], fresh)))
    elif name == "move":
        project.move_class(a_class, b_class)
        if a_class != b_class:
            model.act(Action(("move", table[a_class], b_class)))
    elif name == "merge" and a_class != b_class:
        project.merge_class(a_class, b_class)
        model.act(Action(("merge", table[a_class], table[b_class])))
    elif name == "delete" and len(table) > 1:
        project.delete_class(a_class)
        model.act(Action(("delete", table[a_class])))
    elif name in ("undo", "undo on", "redo"):
        on = (a,) if name == "undo on" else ()
        ahead = project.can_redo() if name == "redo" else project.can_undo(*on)
        entry = project.redo() if name == "redo" else project.undo(*on)
        index = model.redo() if name == "redo" else model.undo(*on)
        assert (entry is None) == (index is None) == (ahead is None)
        if entry is not None:
            assert ahead.id == entry.id
            assert entry.pictures == model.actions[index].pictures
            assert entry.state == ("done" if name == "redo" else "undone")


def check_state(project, model):
    table, _ = model.classes()
    assert project.classes.names == tuple(name for _, name in table)
    shown = model.marks()
    for picture, marks in shown.items():
        found = project.marks(picture)
        codes = {
            key: [mark.class_index] if isinstance(mark, Tag) else mark.labels.ravel().tolist()
            for key, mark in found.items()
        }
        assert codes == marks
        assert project.states()[picture].marks == len(marks)
    counts = [
        sum(code in codes for marks in shown.values() for codes in marks.values())
        for code in range(len(table))
    ]
    assert project.mark_counts() == tuple(counts)
    active = {key for (key,) in project._database.rows("SELECT id FROM marks WHERE active = 1")}
    assert replay(project._database) == active
    assert (project.can_undo() is None) == (not model.done)
    assert (project.can_redo() is None) == (not model.undone)


def test_any_sequence_of_marks_class_edits_undo_and_redo(tmp_path, project):
    names_at_first = project.classes.names
    project.close()

    @given(steps)
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(sequence):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            path = Path(folder) / "p.spml"
            shutil.copytree(project.path, path)
            model, names = Model(names_at_first), itertools.count()
            opened = Project.open(path)
            try:
                for name, *values in sequence:
                    if name == "reopen":
                        opened.close()
                        opened = Project.open(path)
                    act(opened, model, names, name, *values)
                    check_state(opened, model)
                # Everything can be taken back, and done again.
                trail = []
                while opened.can_undo():
                    trail.append((opened.classes, [opened.marks(i) for i in (1, 2, 3)], opened.mark_counts()))
                    opened.undo()
                    model.undo()
                    check_state(opened, model)
                assert opened.classes.names == names_at_first
                for state in reversed(trail):
                    opened.redo()
                    assert (
                        opened.classes,
                        [opened.marks(i) for i in (1, 2, 3)],
                        opened.mark_counts(),
                    ) == state
            finally:
                opened.close()

    check()
