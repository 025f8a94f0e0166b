"""How the command line looks: colours on a terminal, examples in every `--help`, completion for the shells.

Knows click and terminals, and no command in particular.
"""

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM: Final = "audit-event-operator"
SHELLS: Final = ("bash", "zsh", "fish")


def _colour() -> bool | None:
    """False if NO_COLOR is set (https://no-color.org), else None: click colours on a terminal only."""
    return False if os.environ.get("NO_COLOR") else None


def print_good(line: str) -> None:
    """Print a line on stdout, in green."""
    click.secho(line, fg="green", color=_colour())


def print_error(line: str) -> None:
    """Print a line on stderr, in red."""
    click.secho(line, err=True, fg="red", color=_colour())


def print_warning(line: str) -> None:
    """Print a line on stderr, in yellow."""
    click.secho(line, err=True, fg="yellow", color=_colour())


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

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line as click does."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            _show(error)
            code = error.exit_code
        except click.Abort:
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


def _show(error: click.ClickException) -> None:
    text = io.StringIO()
    error.show(text)
    usage, mark, sentence = text.getvalue().rstrip("\n").rpartition("Error: ")
    if mark:
        click.echo(usage, err=True, nl=False)
        print_error(mark + sentence)
    else:
        click.echo(sentence, err=True)  # without a command, the error is the help text
