"""The console command ``spml``. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from spml_core import __version__
from spml_core.cli.add import add
from spml_core.cli.app import demo, open_app
from spml_core.cli.contours import contours
from spml_core.cli.doctor import doctor
from spml_core.cli.evaluate import evaluate
from spml_core.cli.export import export
from spml_core.cli.import_marks import import_marks
from spml_core.cli.info import info
from spml_core.cli.new import new
from spml_core.cli.predict import predict
from spml_core.cli.propagate import propagate
from spml_core.cli.relink import relink
from spml_core.cli.run_paper import run_paper
from spml_core.cli.suggest import suggest
from spml_core.cli.train import train
from spml_core.cores import share_cores

app = typer.Typer(
    name="spml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("app")(open_app)
app.command("demo")(demo)
app.command("new")(new)
app.command("add")(add)
app.command("relink")(relink)
app.command("import")(import_marks)
app.command("train")(train)
app.command("predict")(predict)
app.command("propagate")(propagate)
app.command("suggest")(suggest)
app.command("evaluate")(evaluate)
app.command("export")(export)
app.command("run-paper")(run_paper)
app.command("contours")(contours)
app.command("info")(info)
app.command("doctor")(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spml {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Turn a few scribbles or clicks into segmentations of a whole set of pictures."""


def run() -> None:
    """Run the command line as a program."""
    share_cores()
    # What libraries warn about is for developers: a user can't mend it.
    warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except SystemExit as end:
        if end.code in (None, 0) and "napari" in sys.modules:
            _leave()
        raise


def _leave() -> NoReturn:
    """End the process now: after a window Python takes a second or more to take all of Qt and napari apart.

    The window has closed its project, threads and child processes before.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
