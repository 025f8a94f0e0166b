"""What a person at a terminal gets: examples that work, colours where they are wanted, completion in the shells."""

import contextlib
import os
import pty
import shlex
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from audit_event_operator.cli import main
from audit_event_operator.files.samples import list_samples
from audit_event_operator.terminal import PROGRAM, SHELLS

RED, GREEN = "\x1b[31m", "\x1b[32m"


def examples(command):
    text = command.get_help(click.Context(command, info_name=command.name))
    _, mark, lines = text.partition("Examples:\n")
    assert mark, f"{command.name} --help shows no example"
    return [line.strip() for line in lines.splitlines()]


def calls(line):
    """The arguments of every call of ours in a line of shell."""
    parts = [shlex.split(part, comments=True) for part in line.replace(" > ", " | ").split(" | ")]
    return [words[words.index(PROGRAM) + 1 :] for words in parts if PROGRAM in words]


def environment(**changes):
    return {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"} | changes


def on_a_terminal(*arguments, **changes):
    """What the command writes when stdout and stderr are one terminal."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "audit_event_operator", *arguments]
    streams = {"stdin": subprocess.DEVNULL, "stdout": follower, "stderr": follower}
    done = subprocess.Popen(command, **streams, env=environment(**changes))
    os.close(follower)
    text = b""
    with contextlib.suppress(OSError):  # on Linux the end of a terminal is an error
        while part := os.read(leader, 65536):
            text += part
    os.close(leader)
    done.wait(30)
    return text.decode()


@pytest.mark.parametrize("command", [main, *main.commands.values()], ids=lambda command: command.name)
def test_every_help_has_examples_that_the_command_line_takes(command):
    for line in examples(command):
        assert calls(line), line
        for name, *arguments in calls(line):
            main.commands[name].make_context(name, arguments)


def test_errors_are_red_and_good_documents_green_on_a_terminal_only(tmp_path):
    file = tmp_path / "both.yaml"
    good = CliRunner().invoke(main, ["sample", "minimal"]).output
    file.write_text(f"{good}---\n{good.replace('spec: {}', 'spec: {interval: 25h}')}")
    coloured = on_a_terminal("validate", str(file))
    assert f"{GREEN}{file}:" in coloured
    assert f"{RED}{file}:" in coloured
    assert "\x1b[" not in on_a_terminal("validate", str(file), NO_COLOR="1")
    piped = CliRunner().invoke(main, ["validate", str(file)])
    assert "\x1b[" not in piped.output
    assert piped.exit_code == 1


def test_wrong_use_is_red_on_a_terminal_and_exits_with_2():
    assert f"{RED}Error: No such command 'nonsense'" in on_a_terminal("nonsense")
    assert "\x1b[" not in on_a_terminal("nonsense", NO_COLOR="1")
    wrong = CliRunner().invoke(main, ["demo", "--for", "never"])
    assert wrong.exit_code == 2
    assert "\x1b[" not in wrong.output
    assert "Usage: " in wrong.stderr
    assert "Error: Invalid value for '--for'" in wrong.stderr


def test_the_program_alone_shows_its_help():
    assert "Commands:" in CliRunner().invoke(main, []).stderr


def test_files_for_validate_may_be_given_with_and_without_the_option(tmp_path):
    for name in ("a", "b"):
        sample = CliRunner().invoke(main, ["sample", "minimal"]).output
        (tmp_path / f"{name}.yaml").write_text(sample.replace("demo", name))
    done = CliRunner().invoke(main, ["validate", str(tmp_path / "b.yaml"), "-f", str(tmp_path / "a.yaml")])
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"]


# --- completion -------------------------------------------------------------------------------------------------------


def asked(shell, words, last):
    """What the program answers to a shell's question, lines of the shell's own form."""
    question = {"_AUDIT_EVENT_OPERATOR_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join([PROGRAM, *words, last])}
    question["COMP_CWORD"] = last if shell == "fish" else str(len(words) + 1)
    done = CliRunner().invoke(main, [], env=question, prog_name=PROGRAM)
    assert done.exit_code == 0
    return done.output.splitlines()


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_its_script(shell):
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_AUDIT_EVENT_OPERATOR_COMPLETE={shell}_complete" in done.output
    assert PROGRAM in done.output


def test_another_shell_is_wrong_use():
    done = CliRunner().invoke(main, ["completion", "powershell"])
    assert done.exit_code == 2
    assert "fish" in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_commands_options_and_samples_are_completed_in_every_shell(shell):
    assert any("validate" in line for line in asked(shell, [], "va"))
    assert any("--for" in line for line in asked(shell, ["demo"], "--f"))
    samples = asked(shell, ["sample"], "")
    assert all(any(name in line for line in samples) for name in list_samples())
    assert any("zsh" in line for line in asked(shell, ["completion"], "z"))
    assert any("file" in line for line in asked(shell, ["validate", "-f"], "my"))


def test_a_real_bash_completes(tmp_path):
    tool = tmp_path / PROGRAM
    tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m audit_event_operator "$@"\n')
    tool.chmod(0o755)
    program = f"""
eval "$({PROGRAM} completion bash)"
offer() {{
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _audit_event_operator_completion {PROGRAM} 2>/dev/null
    echo "${{COMPREPLY[*]}}"
}}
offer {PROGRAM} val
offer {PROGRAM} sample 01
offer {PROGRAM} demo --fo
complete -p {PROGRAM}
"""
    env = environment(PATH=f"{tmp_path}:{os.environ['PATH']}")
    command = ["bash", "--norc", "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    first, second, third, set_up = done.stdout.splitlines()
    assert (first, second, third) == ("validate", "01-minimal", "--for")
    assert "-F _audit_event_operator_completion" in set_up
