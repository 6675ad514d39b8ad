import subprocess
import sys

import pytest
import typer

from spml_core.cli.failures import guarded
from spml_core.errors import MarkError


@pytest.fixture
def outcome(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("spml_core.engine.state_folder._usual", lambda: tmp_path / "state")

    def run(error):
        @guarded
        def command():
            raise error

        with pytest.raises(typer.Exit) as end:
            command()
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return end.value.exit_code, err

    return run


def test_what_a_user_can_mend_is_code_2(outcome):
    assert outcome(MarkError("Bad\nmark 7.", "Mend it.")) == (2, "spml: Bad mark 7. Mend it.\n")


def test_a_bug_is_code_1_and_its_traceback_is_kept(outcome, tmp_path):
    code, line = outcome(ValueError("seven\nof nine"))
    assert code == 1
    assert "bug" in line
    assert "ValueError: seven of nine" in line
    (log,) = (tmp_path / "state").iterdir()
    assert str(log) in line
    text = log.read_text()
    assert "Traceback" in text
    assert "raise error" in text
    assert text.startswith("spml 0.")


def test_a_bug_is_told_even_where_no_log_can_be_written(outcome, monkeypatch, tmp_path):
    monkeypatch.setattr("spml_core.engine.state_folder.state_folder", lambda: tmp_path / "nowhere")
    code, line = outcome(ValueError("seven"))
    assert code == 1
    assert "couldn't be written" in line


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:1] . DefaultCPUAllocator: can't allocate memory: you tried"
        ),
    ],
)
def test_full_memory_is_code_2_with_a_remedy(outcome, error, tmp_path):
    code, line = outcome(error)
    assert code == 2
    assert "smaller pictures" in line
    assert not (tmp_path / "state").exists()


def test_a_hard_interrupt_is_code_130(outcome):
    assert outcome(KeyboardInterrupt())[0] == 130


def test_typers_own_ends_pass(capsys):
    @guarded
    def command():
        raise typer.Exit(7)

    with pytest.raises(typer.Exit) as end:
        command()
    assert end.value.exit_code == 7
    assert capsys.readouterr().err == ""


def test_a_reader_that_goes_away_is_no_error():
    script = """
import typer
from spml_core.cli.failures import guarded
app = typer.Typer()
@app.command()
@guarded
def talk():
    for i in range(100_000):
        print(i)
app()
"""
    command = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stdout.readline() == "0\n"
    command.stdout.close()
    assert command.stderr.read() == ""
    command.stderr.close()
    assert command.wait() == 0
