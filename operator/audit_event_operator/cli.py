"""The command line: what a person types. Parses, calls a mode or a pure function, and turns errors into sentences.

stdout is data, stderr is for people. Exit codes: 0 done, 1 failed, 2 wrong use. Heavy imports wait until they are needed.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import click

from audit_event_operator import __version__

DOTENV: Final = Path(".env")
FILES_HELP: Final = "A YAML or JSON file, or a folder of them; may be given several times."


class Duration(click.ParamType[float]):
    """A duration such as 5s or 1m30s, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it, or say what it should look like."""
        from audit_event_operator.resource.durations import parse_duration

        try:
            seconds = parse_duration(str(value)) / 1e9
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"{value!r} must be longer than 0", param, ctx)
        return seconds


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Keep realistic audit-event streams flowing into RabbitMQ.

    \b
    Try it without anything:      audit-event-operator demo
    In or against a cluster:      audit-event-operator run
    With a RabbitMQ, no cluster:  audit-event-operator standalone
    """  # noqa: D301 - click's own mark


@main.command()
def run() -> None:
    """Run the operator in a cluster, or against the one that KUBECONFIG names.

    Everything is set by environment variables; docs/settings.md lists them.
    """
    from audit_event_operator.modes.in_cluster import run_in_cluster

    _serve(run_in_cluster)


@main.command()
@click.option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help=FILES_HELP)
def standalone(files: tuple[Path, ...]) -> None:
    """Run without a cluster, into a real RabbitMQ.

    Without -f one generator runs as the environment (and .env) describes it, as the seed service did:
    RABBITMQ_HOST, RABBITMQ_QUEUE, EVENT_GENERATION_INTERVAL_SECONDS and so on. With -f the files are watched:
    saving one acts like kubectl apply.
    """
    from audit_event_operator.modes.standalone import run_standalone

    _serve(lambda settings: run_standalone(settings, files), dotenv=DOTENV)


@main.command()
@click.option("--for", "seconds", type=Duration(), help="Stop after this time, for example 10s; else at Ctrl-C.")
@click.option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help=FILES_HELP)
def demo(seconds: float | None, files: tuple[Path, ...]) -> None:
    """Show events on this terminal: no cluster, no broker, one JSON object per line on stdout.

    All HTTP routes answer meanwhile, on loopback only.
    """
    from audit_event_operator.modes.demo import run_demo

    _serve(lambda settings: run_demo(settings, files, seconds), dotenv=DOTENV, quiet=True)


@main.command()
@click.option("-f", "--file", "files", multiple=True, required=True, help=f"{FILES_HELP} - reads standard input.")
def validate(files: tuple[str, ...]) -> None:
    """Judge resources as the API server would, without one."""
    from audit_event_operator.files.validation import validate_files

    good, problems = validate_files(files, sys.stdin.buffer.read)
    for line in good:
        click.echo(line)
    for line in problems:
        click.echo(line, err=True)
    if problems:
        raise SystemExit(1)


@main.command()
def crd() -> None:
    """Print the CustomResourceDefinition as YAML."""
    from audit_event_operator.resource.crd import render_crd

    click.echo(render_crd(), nl=False)


@main.command()
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="List the names.")
def sample(name: str | None, listing: bool) -> None:
    """Print a sample resource, for example 01-minimal."""
    from audit_event_operator.files.samples import SampleNotFoundError, list_samples, read_sample

    if listing or name is None:
        click.echo("\n".join(list_samples()))
        return
    try:
        click.echo(read_sample(name), nl=False)
    except SampleNotFoundError as error:
        raise click.UsageError(str(error)) from None


@main.command()
def version() -> None:
    """Print the version and the commit it was built from."""
    from audit_event_operator.build import commit

    click.echo(f"audit-event-operator {__version__} (commit {commit(os.environ)}, Python {platform.python_version()})")


def _serve(work: Callable[[Any], Coroutine[Any, Any, int]], *, dotenv: Path | None = None, quiet: bool = False) -> None:
    """Read the settings, run until a signal, exit with the work's code."""
    from audit_event_operator.logs import configure_logging
    from audit_event_operator.settings import SettingsError, load_settings

    try:
        settings, warnings = load_settings(os.environ, dotenv=dotenv)
    except SettingsError as error:
        click.echo(f"audit-event-operator: {error}", err=True)
        raise SystemExit(2) from None
    level = "WARNING" if quiet and "AEG_LOG_LEVEL" not in os.environ else settings.log_level
    configure_logging(settings.log_format, level)
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    try:
        code = asyncio.run(work(settings))
    except FileNotFoundError as error:
        click.echo(f"audit-event-operator: {error}", err=True)
        code = 2
    raise SystemExit(code)
