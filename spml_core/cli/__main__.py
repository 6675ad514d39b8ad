"""``python -m spml_core.cli`` is ``spml``."""

from spml_core.cli.main import run

if __name__ == "__main__":
    run()
