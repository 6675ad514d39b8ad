import subprocess
import sys

import pytest

LOOK = "from spml_core.cli.main import run; import os, sys\n{do}\nprint(os.environ.get('OMP_WAIT_POLICY'))"
DO = "sys.argv = ['spml', '--version']\ntry:\n    run()\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(("said", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_command_line_shares_cores_unless_told_otherwise(monkeypatch, said, found):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", said)
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(do=DO)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == found


def test_numpy_multiplies_in_one_thread_in_child_processes(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    look = LOOK.format(do=DO).replace("OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "1"


def test_numpy_is_not_loaded_before_the_command_line_has_said_so():
    look = "import sys, spml_core.cli.main\nprint('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"
