"""How the command line looks and helps: colours for eyes, examples under every `--help`, completion for the shells.

Knows click and terminals, and no command in particular.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click
from click.shell_completion import ShellComplete, get_completion_class

PROGRAM: Final = "audit-event-operator"
SHELLS: Final = ("bash", "zsh", "fish")


def wants_colour() -> bool | None:
    """False when NO_COLOR is set to anything (https://no-color.org), else None: colours where the reader is a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def say_good(line: str) -> None:
    """Print a good finding on stdout."""
    click.secho(line, fg="green", color=wants_colour())


def say_wrong(line: str) -> None:
    """Print what has to be mended on stderr."""
    click.secho(line, err=True, fg="red", color=wants_colour())


def say_careful(line: str) -> None:
    """Print a warning on stderr."""
    click.secho(line, err=True, fg="yellow", color=wants_colour())


def examples(*lines: str, **environment: str) -> str:
    """The text under a command's help; each line is a command without the program's name."""
    before = "".join(f"{name}={value} " for name, value in environment.items())
    return "\b\nExamples:\n" + "\n".join(f"  {before}{PROGRAM} {line}" for line in lines)


def completion_script(command: click.Command, shell: str) -> str:
    """The script that makes one of SHELLS ask the program itself what may come next.

    Raises:
        ValueError: another shell.
    """
    completer = get_completion_class(shell)
    if completer is None:
        raise ValueError(f"there is no completion for {shell!r}; there is {', '.join(SHELLS)}")
    asked_by = f"_{PROGRAM}_COMPLETE".replace("-", "_").upper()
    # Not bash's own source(): that one starts a bash to see how old it is, and a script may be made for elsewhere.
    return ShellComplete.source(completer(command, {}, PROGRAM, asked_by))


class Commands(click.Group):
    """A group of commands that tells wrong use in red where the reader is a terminal."""

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
        say_wrong(mark + sentence)
    else:
        click.echo(sentence, err=True)  # a program without a command answers with its help
