"""How the command line looks: colours on a terminal, examples in every `--help`, completion for the shells.

Knows click and terminals, and no command in particular.
"""

import contextlib
import io
import os
import sys
from typing import Any, Final

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM: Final = "audit-event-operator"
SHELLS: Final = ("bash", "zsh", "fish")


def print_line(line: str, colour: str, *, err: bool = True) -> None:
    """Print a line on stderr, or else on stdout; coloured on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    click.secho(line, err=err, fg=colour, color=False if os.environ.get("NO_COLOR") else None)


def print_data(text: str, *, nl: bool = True) -> None:
    """Print what was asked for, on stdout.

    Raises:
        click.ClickException: stdout is closed.
        OSError: it takes nothing.
    """
    if sys.stdout is None:
        raise click.ClickException("stdout is closed, so there is nowhere to print to")
    click.echo(text, nl=nl)


def tell(text: str) -> None:
    """Print for people, on stderr; nothing where that is closed."""
    click.echo(text, err=True)


def examples(*lines: str, **environment: str) -> str:
    """The text under a command's help; each line is a command without the program's name."""
    before = "".join(f"{name}={value} " for name, value in environment.items())
    return "\b\nExamples:\n" + "\n".join(f"  {before}{PROGRAM} {line}" for line in lines)


def completion_script(command: click.Command, shell: str) -> str:
    """The script by which one of SHELLS asks the program itself for completions.

    Raises:
        ValueError: another shell.
    """
    completer = get_completion_class(shell)
    if completer is None:
        raise ValueError(f"no completion for {shell!r}; there is one for {', '.join(SHELLS)}")
    asked_by = f"_{PROGRAM}_COMPLETE".replace("-", "_").upper()
    # Not BashComplete.source(): that runs bash to check its version, but the script may be for another machine.
    return ShellComplete.source(completer(command, {}, PROGRAM, asked_by))


class Commands(click.Group):
    """A group of commands that prints errors in red on a terminal."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command line as click does."""
        run: Any = super().main  # its overloads are about a result that is not looked at here
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        try:
            code = run(*args, standalone_mode=False, **extra)
        except click.ClickException as error:
            _show(error)
            code = error.exit_code
        except click.Abort:
            code = 1
        except OSError as error:
            if error.filename is not None:
                raise
            code = _nothing_to_write_to(error)
        sys.exit(code if isinstance(code, int) else 0)


def _nothing_to_write_to(error: OSError) -> int:
    """Stdout takes nothing (any more); a reader that has seen enough needs no sentence. The exit code."""
    if not isinstance(error, BrokenPipeError):
        print_line(f"{PROGRAM}: cannot write to stdout: {error.strerror}", "red")
    with contextlib.suppress(OSError):  # so that the interpreter does not try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def _show(error: click.ClickException) -> None:
    text = io.StringIO()
    error.show(text)
    usage, mark, sentence = text.getvalue().rstrip("\n").rpartition("Error: ")
    if mark:
        click.echo(usage, err=True, nl=False)
        print_line(mark + sentence, "red")
    else:
        click.echo(sentence, err=True)  # without a command, the error is the help text
