import io
import math
import os
import signal

import pytest

from spml_core.cli.interrupt import stop_on_interrupt
from spml_core.cli.output import Output
from spml_core.cli.progress import ProgressBar, words_for_seconds
from spml_core.cli.train import follow
from spml_core.training.events import (
    CheckpointSaved,
    Finished,
    StageProgress,
    StepDone,
    Warned,
)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s left"),
        (59.6, "1 min 00 s left"),
        (200, "3 min 20 s left"),
        (7265, "2 h 01 min left"),
        (math.nan, ""),
        (math.inf, ""),
        (-1, ""),
    ],
)
def test_time_left_in_words(seconds, words):
    assert words_for_seconds(seconds) == words


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_takes_under_a_second_is_silent(stream):
    clock, text = Clock(), stream()
    with ProgressBar(text, clock) as bar:
        for i in range(10):
            clock.now += 0.09
            bar.update("Reading", i, 10)
    assert text.getvalue() == ""


def test_elsewhere_a_plain_line_every_ten_seconds():
    clock, text = Clock(), io.StringIO()
    with ProgressBar(text, clock) as bar:
        for i in range(1, 26):
            clock.now += 1
            bar.update("Reading", i, 50, note="loss 0.5")
    assert text.getvalue().splitlines() == [
        "Reading 10 of 50, loss 0.5, 40 s left",
        "Reading 20 of 50, loss 0.5, 30 s left",
    ]


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    clock, text = Clock(), Terminal()
    with ProgressBar(text, clock) as bar:
        clock.now += 2
        bar.update("Training", 5, 10, note="loss [0.5]", seconds_left=65)
        bar.say("Attention [bold]please[/bold]")
    shown = text.getvalue()
    for words in ("Training", "5/10", "loss [0.5]", "1 min 05 s left", "Attention [bold]please[/bold]"):
        assert words in shown
    assert shown.rstrip().endswith("\x1b[2K")


def story():
    yield StageProgress("features", 1, 4, 30.0)
    yield StepDone(1, 2, {"total": 1.5, "annotation": math.nan}, 20.0)
    yield Warned("The class 'x' was never marked.")
    yield CheckpointSaved(2, "runs/run-0001")
    yield Finished(2, 12.5, False, None)


def test_events_become_json_lines_with_null_for_nan(capsys):
    with ProgressBar(io.StringIO()) as bar:
        end = follow(story(), Output(True), bar)
    assert end == Finished(2, 12.5, False, None)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('"')[3] for line in lines] == ["stage", "step", "warning", "checkpoint", "finished"]
    assert '"annotation": null' in lines[1]


def test_people_see_warnings_and_no_json(capsys):
    text = io.StringIO()
    with ProgressBar(text) as bar:
        follow(story(), Output(False), bar)
    assert capsys.readouterr().out == ""
    assert text.getvalue() == "spml: The class 'x' was never marked.\n"


def test_ctrl_c_once_asks_twice_interrupts_and_then_all_is_as_before():
    told = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt(lambda: told.append(1)) as should_stop:
        assert not should_stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert should_stop()
        assert told == [1]
        os.kill(os.getpid(), signal.SIGINT)
    assert told == [1]
    assert signal.getsignal(signal.SIGINT) is before
