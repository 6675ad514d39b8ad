"""Child processes and threads of the window, with processes that are really spawned."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from qtpy.QtCore import QObject, QTimer

from spml_napari.workers import ChildProcess, Executor

LONG = 30_000


@pytest.fixture(autouse=True)
def nothing_is_left_behind(monkeypatch):
    """Makes the targets importable in the children, and looks for processes, threads and pipes afterwards."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    me = psutil.Process()
    threads, pipes = set(threading.enumerate()), me.num_fds()
    yield
    left = [c for c in me.children(recursive=True) if "resource_tracker" not in " ".join(c.cmdline())]
    assert not left
    assert not [t for t in threading.enumerate() if t not in threads and t.name.startswith("spml-")]
    assert me.num_fds() <= pipes + 1  # the resource tracker's, kept for good


@pytest.fixture
def child(qtbot):
    """Makes and starts children, with lists of what they said and how they ended."""
    made = []

    def make(target, *arguments, **options):
        process = ChildProcess(f"child_targets:{target}", *arguments, **options)
        process.said, process.ends = [], []
        process.received.connect(process.said.append)
        process.ended.connect(process.ends.append)
        process.start()
        made.append(process)
        return process

    yield make
    for process in made:
        process.close()


def test_messages_go_to_and_fro(child, qtbot):
    process = child("echo", "hello", farewell="stop")
    assert process.alive
    process.send({"a": 1})
    qtbot.waitUntil(lambda: len(process.said) == 2, timeout=LONG)
    (greeting, modules), answer = process.said
    assert (greeting, answer) == ("hello", {"a": 1})
    assert not {"qtpy", "napari", "torch", "PyQt5", "PyQt6", "pytest"} & set(modules)
    process.close(timeout=20)
    assert process.ends == []
    assert not process.alive
    process.send("nobody hears this")
    process.close()


def test_messages_are_delivered_in_the_gui_thread(child, qtbot):
    heard_in = []
    process = child("echo", "hello")
    process.received.connect(lambda _: heard_in.append(threading.current_thread()))
    qtbot.waitUntil(lambda: bool(heard_in), timeout=LONG)
    assert heard_in == [threading.main_thread()]


@pytest.mark.parametrize(
    ("target", "said", "code"),
    [("crash", ["before"], 7), ("fail", ["before"], 1), ("kill_self", list(range(50)), -signal.SIGKILL)],
)
def test_a_child_that_dies_is_noticed_after_its_last_message(child, qtbot, target, said, code):
    process = child(target)
    qtbot.waitUntil(lambda: bool(process.ends), timeout=LONG)
    assert process.said == said
    assert process.ends == [code]
    assert not process.alive


def test_a_child_killed_from_outside_is_noticed(child, qtbot):
    process = child("echo", "hello")
    qtbot.waitUntil(lambda: bool(process.said), timeout=LONG)
    os.kill(process.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(process.ends), timeout=LONG)
    assert process.ends == [-signal.SIGKILL]


def test_half_a_message_is_no_message(child, qtbot):
    process = child("die_in_a_message")
    qtbot.waitUntil(lambda: bool(process.ends), timeout=LONG)
    assert process.said == ["before"]


def test_a_message_that_cannot_be_read_is_left_out(child, qtbot, caplog):
    process = child("send_nonsense")
    qtbot.waitUntil(lambda: process.said == ["after"], timeout=LONG)
    assert "can't be read" in caplog.text
    assert process.ends == []


def test_a_module_that_is_missing_ends_the_child(child, qtbot, capfd):
    process = child("no_such_function")
    qtbot.waitUntil(lambda: process.ends == [1], timeout=LONG)
    assert "no_such_function" in capfd.readouterr().err


def test_a_flood_is_delivered_whole_and_the_event_loop_goes_on(child, qtbot):
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(process.said)))
    timer.start(0)
    process = child("flood", 20_000)
    qtbot.waitUntil(lambda: len(process.said) == 20_000, timeout=LONG)
    timer.stop()
    assert process.said == list(range(20_000))
    assert len([n for n in ticks if 0 < n < 20_000]) > 5  # timers ran in between


def test_a_slow_receiver_holds_the_child_up_and_not_memory(child, qtbot):
    process = child("flood", 100_000)
    process.received.connect(lambda _: time.sleep(0.002))
    qtbot.waitUntil(lambda: len(process.said) > 100, timeout=LONG)
    assert len(process._mailbox._calls) <= 256
    process.close()
    said = len(process.said)
    qtbot.wait(50)
    assert len(process.said) == said


def test_close_while_the_child_sends_without_a_pause(child, qtbot):
    process = child("busy_sender")
    qtbot.waitUntil(lambda: len(process.said) > 3, timeout=LONG)
    process.close()
    said = len(process.said)
    qtbot.wait(50)
    assert len(process.said) == said
    assert process.ends == []


def test_a_deaf_child_is_killed_and_sending_to_it_never_waits(child, qtbot):
    process = child("deaf", farewell="stop")
    qtbot.waitUntil(lambda: bool(process.said), timeout=LONG)
    for _ in range(50):
        process.send(bytes(1_000_000))  # more than any pipe takes: this would hang if it waited
    pid = process.pid
    process.close(timeout=0.1)
    assert not psutil.pid_exists(pid)


def test_close_in_the_middle_of_a_message(child, qtbot):
    process = child("flood", 1000)
    process.received.connect(lambda _: process.close())
    qtbot.waitUntil(lambda: not process.alive, timeout=LONG)
    qtbot.wait(50)
    assert len(process.said) == 1


def test_close_right_after_the_start(child):
    process = child("echo", "hello")
    process.close()
    assert not process.alive


def test_the_starting_script_is_not_imported_in_the_child(child, qtbot, monkeypatch, tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script))
    process = child("echo", "hello")
    qtbot.waitUntil(lambda: bool(process.said), timeout=LONG)
    assert not (tmp_path / "imported").exists()
    assert sys.modules["__main__"].__file__ == str(script)


# Threads --------------------------------------------------------------------------------------------


@pytest.fixture
def executor(qtbot):
    executor = Executor()
    yield executor
    executor.close(timeout=10)


def test_results_and_failures_come_to_the_gui_thread(executor, qtbot):
    heard = []

    def hear(value):
        heard.append((value, threading.current_thread()))

    executor.submit(divmod, 7, 2, done=hear)
    executor.submit(divmod, 7, 0, done=hear, failed=hear)
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=LONG)
    values = [value for value, _ in heard]
    assert (3, 1) in values
    assert any(isinstance(value, ZeroDivisionError) for value in values)
    assert {thread for _, thread in heard} == {threading.main_thread()}


def test_a_failure_that_nobody_hears_is_logged(executor, qtbot, caplog):
    executor.submit(divmod, 7, 0)
    qtbot.waitUntil(lambda: "background job" in caplog.text, timeout=LONG)


def test_jobs_not_begun_can_be_cancelled_and_forgotten(executor, qtbot):
    gate, begun, heard = threading.Event(), [], []

    def wait_at_gate(name):
        begun.append(name)
        gate.wait(20)
        return name

    for name in ("a", "b"):
        executor.submit(wait_at_gate, name, done=heard.append)
    qtbot.waitUntil(lambda: len(begun) == 2, timeout=LONG)
    assert executor.submit(wait_at_gate, "cancelled", done=heard.append).cancel()
    forgotten = executor.submit(wait_at_gate, "forgotten", done=heard.append)
    executor.forget()
    wanted = executor.submit(wait_at_gate, "wanted", done=heard.append)
    gate.set()
    qtbot.waitUntil(lambda: bool(heard), timeout=LONG)
    assert forgotten.cancelled()
    assert wanted.result() == "wanted"
    assert begun == ["a", "b", "wanted"]
    assert heard == ["wanted"]  # a and b ended after they were forgotten


def test_a_deleted_receiver_is_not_called(executor, qtbot):
    class Receiver(QObject):
        heard = 0

        def hear(self, value):
            Receiver.heard += 1

    receiver, others = Receiver(), []
    receiver.deleteLater()
    qtbot.waitSignal(receiver.destroyed).wait()
    executor.submit(int, done=receiver.hear)
    executor.submit(int, done=others.append)
    qtbot.waitUntil(lambda: bool(others), timeout=LONG)
    qtbot.wait(20)
    assert Receiver.heard == 0


def test_close_does_not_wait_for_a_job_that_hangs(qtbot):
    gate, begun, heard = threading.Event(), threading.Event(), []

    def hang():
        begun.set()
        gate.wait(20)

    executor = Executor(threads=1)
    executor.submit(hang, done=heard.append)
    assert begun.wait(20)
    executor.close(timeout=0.01)
    assert executor._threads[0].is_alive()
    assert executor.submit(hang).cancelled()
    gate.set()
    executor._threads[0].join(20)
    qtbot.wait(20)
    assert heard == []
