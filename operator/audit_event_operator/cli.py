"""The command line: parses, calls a mode or a pure function, and turns errors into sentences.

stdout is data, stderr is for people. Exit codes: 0 done, 1 failed, 2 wrong use. Heavy imports wait until they are needed.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import click

from audit_event_operator.arguments import Duration, ExactDuration, Moment, Split
from audit_event_operator.resource.formats import Format
from audit_event_operator.terminal import PROGRAM, SHELLS, Commands, completion_script, examples, print_data, print_line

DOTENV: Final = Path(".env")
FILE_OR_STDIN: Final = click.Path(allow_dash=True)
LAST_NS: Final = 253_402_300_799 * 10**9
"""The end of the year 9999; timestamps have four digits for it."""
FROM: Final = "2026-01-01"
"""A moment that is the same for everybody."""
SEED: Final = click.IntRange(-(2**53) + 1, 2**53 - 1)
SEED_HELP: Final = "In place of the randomSeed of each resource."
FORMAT: Final = click.Choice([form.value for form in Format])
FILES_HELP: Final = "A YAML or JSON file, or a folder of them. Can be repeated."


_Command = TypeVar("_Command", bound=Callable[..., Any])


def _truth_option(says: str) -> Callable[[_Command], _Command]:
    return click.option("--truth", type=click.File("a", encoding="utf-8"), metavar="FILE", help=says)


def _complete_sample(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from audit_event_operator.files.samples import list_samples

    return [name for name in list_samples() if name.startswith(incomplete)]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "demo                          # events on this terminal; needs nothing else",
        "run                           # in a cluster, or through KUBECONFIG",
        "standalone                    # with RabbitMQ, but without a cluster",
        "generate --count 1000         # events by the thousand or the million, into a file",
        "completion bash               # shell completion",
    ),
)
def main() -> None:
    """Keep realistic audit-event streams flowing into RabbitMQ."""


@main.command(
    epilog=examples("run", KUBECONFIG="~/.kube/config", RABBITMQ_HOST="localhost", AEG_NAMESPACES="team-a,team-b")
)
def run() -> None:
    """Run the operator, in a cluster or through KUBECONFIG.

    Environment variables configure it; docs/settings.md lists them.
    """
    from audit_event_operator.modes.in_cluster import run_in_cluster

    _serve(run_in_cluster)


@main.command(epilog=examples("standalone", "standalone -f my-streams/ -f broker-secret.yaml"))
@click.option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help=FILES_HELP)
@_truth_option("In place of truth queues, append the ground truth of scenarios to this file, one record a line.")
def standalone(files: tuple[Path, ...], truth: TextIO | None) -> None:
    """Publish to RabbitMQ without a cluster.

    Without -f, runs one generator, configured like the seed service by environment variables or .env:
    RABBITMQ_HOST, RABBITMQ_QUEUE, EVENT_GENERATION_INTERVAL_SECONDS and so on. With -f, runs the resources in the
    files and watches them: saving a file acts like kubectl apply.
    """
    from audit_event_operator.modes.without_cluster import run_standalone

    _serve(lambda settings: run_standalone(settings, files, truth), dotenv=DOTENV)


@main.command(epilog=examples("demo", "demo --for 10s > events.jsonl", "demo -f my-streams/mix.yaml | jq .event_type"))
@click.option("--for", "seconds", type=Duration(), help="Stop after this time, such as 10s. Default: at Ctrl-C.")
@click.option("-f", "--file", "files", multiple=True, type=click.Path(path_type=Path), help=FILES_HELP)
@_truth_option("Append the ground truth of scenarios to this file, one record a line. Default: stderr.")
def demo(seconds: float | None, files: tuple[Path, ...], truth: TextIO | None) -> None:
    """Print events on this terminal, without a cluster or a broker.

    One JSON object per line on stdout. While it runs, all HTTP routes are served on loopback.
    """
    from audit_event_operator.modes.without_cluster import run_demo

    _serve(lambda settings: run_demo(settings, files, seconds, truth), dotenv=DOTENV, quiet=True)


@main.command(
    epilog=examples(
        "generate --count 1000",
        "generate --from 2026-01-05 --for 24h --out day.jsonl.gz",
        "generate -f fleet.yaml --from 2026-01-05 --to 2026-01-12 --out week.jsonl --truth truth.jsonl",
        "generate -f fleet.yaml --from 2026-01-05 --for 168h --out logs/fleet.jsonl --split host",
        "sample quiet-fleet | audit-event-operator generate -f - --for 1h | jq .event_type",
    )
)
@click.option("-f", "--file", "files", multiple=True, type=FILE_OR_STDIN, help=f"{FILES_HELP} - is standard input.")
@click.option(
    "--from",
    "from_ns",
    type=Moment(),
    default=FROM,
    show_default=True,
    help="The first moment: a date or a time (RFC 3339).",
)
@click.option("--to", "to_ns", type=Moment(), help="The end; events of this moment and later are left out.")
@click.option("--for", "for_ns", type=ExactDuration(), help="In place of --to: how long, such as 90m or 168h.")
@click.option(
    "--start", "start_ns", type=Moment(), help="When the runs of the resources begin, at most --from. Default: --from."
)
@click.option("--count", type=click.IntRange(min=1), help="At most so many events.")
@click.option("--seed", type=SEED, help=SEED_HELP)
@click.option("--format", "form", type=FORMAT, help="Overrides the format of each resource.")
@click.option(
    "--out",
    default="-",
    show_default=True,
    metavar="FILE|-",
    help="Output file; .gz and .zst compress it. - is standard output.",
)
@click.option("--truth", metavar="FILE", help="Write the ground truth of scenarios to this file, one record a line.")
@click.option(
    "--split",
    type=Split(),
    metavar="host|hour|SIZE",
    help="A file for each host, hour (UTC), or so much, such as 100MB.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of processes for independent events; the output stays the same.",
)
def generate(
    *,
    files: tuple[str, ...],
    from_ns: int,
    to_ns: int | None,
    for_ns: int | None,
    start_ns: int | None,
    count: int | None,
    seed: int | None,
    form: str | None,
    out: str,
    truth: str | None,
    split: str | int | None,
    workers: int,
) -> None:
    """Write events into a file or to stdout, as fast as it goes.

    The stream is the one that would flow live, on a clock of its own: without -f, the seed service's; with -f, those of the
    resources in the files, in the order of their times. The same seed, start and window give the same bytes. A summary
    goes to stderr.
    """
    from audit_event_operator.modes.generate import generate as write_events
    from audit_event_operator.modes.portions import Request

    start_ns = from_ns if start_ns is None else start_ns
    _refuse_wrong_window(from_ns, to_ns, for_ns, start_ns)
    _refuse_wrong_files(out, truth, split)
    streams = _streams(files, seed, form)
    if to_ns is None and for_ns is None and count is None and not all(each.spec.bounded for each in streams):
        raise click.UsageError("say when to end: with --to, --for or --count")
    end_ns = to_ns or (LAST_NS if for_ns is None else min(LAST_NS, from_ns + for_ns))
    raise SystemExit(write_events(Request(streams, start_ns, from_ns, end_ns, count, out, truth, split, workers)))


def _refuse_wrong_window(from_ns: int, to_ns: int | None, for_ns: int | None, start_ns: int) -> None:
    if to_ns is not None and for_ns is not None:
        raise click.UsageError("--to and --for both say when to end; use one of them")
    if to_ns is not None and to_ns <= from_ns:
        raise click.UsageError("--to must be later than --from")
    if start_ns > from_ns:
        raise click.UsageError("--start must not be later than --from")


def _refuse_wrong_files(out: str, truth: str | None, split: str | int | None) -> None:
    if split is not None and out == "-":
        raise click.UsageError("--split needs --out FILE, which the names of the files are made of")
    if truth is not None and truth == out:
        raise click.UsageError("--truth and --out must be different files")


def _streams(files: tuple[str, ...], seed: int | None, form: str | None = None, *, warn: bool = True) -> list[Any]:
    """The resources of the files; exits with 1 and sentences where they are invalid. `warn`: print their warnings."""
    from audit_event_operator.modes.streams import NoStreamsError, read_streams

    try:
        streams = read_streams(files, sys.stdin.buffer.read, seed=seed, form=Format(form) if form else None)
    except FileNotFoundError as error:
        raise click.UsageError(str(error)) from None
    except NoStreamsError as error:
        print_line(f"{PROGRAM}: {error}", "red")
        raise SystemExit(1) from None
    for stream in streams:
        for warning in stream.warnings if warn else ():
            print_line(warning, "yellow")
    return streams


@main.command(
    epilog=examples(
        "preview -f fleet.yaml",
        "preview -f fleet.yaml --from 2026-01-05T08:00:00Z --svg rate.svg",
        "sample office-week | audit-event-operator preview -f -",
    )
)
@click.option("-f", "--file", "files", multiple=True, type=FILE_OR_STDIN, help=f"{FILES_HELP} - is standard input.")
@click.option(
    "--from", "from_ns", type=Moment(), default=FROM, show_default=True, help="When the runs of the resources begin."
)
@click.option("--seed", type=SEED, help=SEED_HELP)
@click.option("--svg", metavar="FILE", help="Write the rate over a day and a week to this file, as a picture.")
def preview(*, files: tuple[str, ...], from_ns: int, seed: int | None, svg: str | None) -> None:
    """Show what would flow, without a cluster.

    Prints for each resource the planned rate over a day and a week, the mix, the first users and hosts, the next
    episodes of its scenarios with their expected alerts, warnings, and its first ten events. Without -f, that is the seed
    service's stream.
    """
    from audit_event_operator.modes.preview import preview as lines_about
    from audit_event_operator.modes.preview import rate_picture

    streams = _streams(files, seed, warn=False)
    if svg is not None:
        try:
            Path(svg).write_text(rate_picture(streams, from_ns), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"cannot write to {svg}: {error.strerror}") from None
    print_data("\n\n".join("\n".join(lines_about(stream, from_ns)) for stream in streams))


@main.command(
    epilog=examples("validate -f my-streams/", "validate *.yaml", "sample 02 | audit-event-operator validate -")
)
@click.option("-f", "--file", "files", multiple=True, type=FILE_OR_STDIN, help=f"{FILES_HELP} - is standard input.")
@click.argument("more", nargs=-1, type=FILE_OR_STDIN, metavar="[FILE|FOLDER|-]...")
def validate(files: tuple[str, ...], more: tuple[str, ...]) -> None:
    """Validate resources as the API server would, without one.

    Prints a line per valid document on stdout, and each problem with file and line on stderr. Exits with 1 if there
    is a problem. Warnings mark what is valid, but probably unintended; they do not change the exit code.
    """
    from audit_event_operator.files.validation import validate_files

    if not files and not more:
        raise click.UsageError("name files or folders to validate, or - for standard input")
    findings = validate_files((*files, *more), sys.stdin.buffer.read)
    for line in findings.good:
        print_line(line, "green", err=False)
    for line in findings.warnings:
        print_line(line, "yellow")
    for line in findings.problems:
        print_line(line, "red")
    if findings.problems:
        raise SystemExit(1)


@main.command(epilog=examples("crd | kubectl apply --server-side -f -"))
def crd() -> None:
    """Print the CustomResourceDefinition as YAML."""
    from audit_event_operator.resource.crd import render_crd

    print_data(render_crd(), nl=False)


@main.command(
    epilog=examples("sample --list", "sample 02-custom-mix > mix.yaml", "sample minimal | kubectl apply -f -")
)
@click.argument("name", required=False, shell_complete=_complete_sample)
@click.option("--list", "listing", is_flag=True, help="List the names.")
def sample(name: str | None, listing: bool) -> None:
    """Print a sample resource, such as 01-minimal."""
    from audit_event_operator.files.samples import SampleNotFoundError, list_samples, read_sample

    if listing or name is None:
        print_data("\n".join(list_samples()))
        return
    try:
        print_data(read_sample(name), nl=False)
    except SampleNotFoundError as error:
        raise click.UsageError(str(error)) from None


@main.command(
    epilog=examples(
        "completion bash > ~/.local/share/bash-completion/completions/audit-event-operator",
        'completion zsh > "${fpath[1]}/_audit-event-operator"',
        "completion fish > ~/.config/fish/completions/audit-event-operator.fish",
    )
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for your shell.

    Save it where your shell looks for such scripts, or load it into the running shell with
    eval "$(audit-event-operator completion bash)".
    """
    print_data(completion_script(main, shell))


@main.command(epilog=examples("version"))
def version() -> None:
    """Print the version and its commit."""
    from audit_event_operator.build import build_info

    info = build_info(os.environ)
    print_data(f"{PROGRAM} {info['version']} (commit {info['revision']}, Python {info['python_version']})")


def _serve(work: Callable[[Any], Coroutine[Any, Any, int]], *, dotenv: Path | None = None, quiet: bool = False) -> None:
    """Read the settings, run the mode, and exit with its code."""
    from audit_event_operator.logs import configure_logging
    from audit_event_operator.modes.lifecycle import StartError
    from audit_event_operator.settings import SettingsError, load_settings

    try:
        settings, warnings = load_settings(os.environ, dotenv=dotenv)
    except SettingsError as error:
        print_line(f"{PROGRAM}: {error}", "red")
        raise SystemExit(2) from None
    level = "WARNING" if quiet and "AEG_LOG_LEVEL" not in os.environ else settings.log_level
    configure_logging(settings.log_format, level)
    for warning in warnings:
        print_line(f"Warning: {warning}", "yellow")
    try:
        code = asyncio.run(work(settings))
    except (SettingsError, FileNotFoundError, StartError) as error:
        print_line(f"{PROGRAM}: {error}", "red")
        code = 1 if isinstance(error, StartError) else 2
    raise SystemExit(code)
