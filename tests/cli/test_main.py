"""The `pansophy` command as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pansophy
from pansophy.cli import main as entry
from pansophy.cli.lazy import Lazy
from pansophy.errors import SourceError

HEAVY = (
    *("torch", "lancedb", "pyarrow", "openai", "sqlalchemy", "markitdown", "pydantic", "xllamacpp", "ray", "nicegui"),
    "mcp",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "pansophy"
    return subprocess.run([command, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def loaded_after(statement: str) -> set[str]:
    script = f"import sys\ntry:\n    {statement}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stderr.split())


def test_importing_pansophy_loads_nothing_heavy() -> None:
    loaded = loaded_after("import pansophy")
    assert not loaded & {*HEAVY, "typer", "rich", "asyncio"}


@pytest.mark.parametrize("line", ["--help", "--version"])
def test_showing_the_commands_loads_nothing_heavy(line: str) -> None:
    loaded = loaded_after(f"from pansophy.cli.main import main; main({line.split()!r})")
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("command", list(entry.Commands.lazy_commands))
def test_showing_a_commands_help_loads_nothing_heavy(command: str) -> None:
    loaded = loaded_after(f"from pansophy.cli.main import main; main([{command!r}, '--help'])")
    assert f"pansophy.cli.{command.replace('-', '_')}" in loaded
    assert not loaded & (set(HEAVY) - {"pydantic"})  # typer itself checks a command's parameters with pydantic


def test_every_public_name_can_be_used() -> None:
    missing = [name for name in pansophy.__all__ if getattr(pansophy, name, None) is None]
    assert missing == []
    assert set(pansophy.__all__) <= set(dir(pansophy))


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = pansophy.no_such_name  # type: ignore[attr-defined]


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"pansophy {pansophy.__version__}\n")


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "pansophy", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"pansophy {pansophy.__version__}\n"


def test_help_lists_every_command() -> None:
    text = run("--help").stdout
    for name, lazy in entry.Commands.lazy_commands.items():
        assert name in text
        assert lazy.help.split()[0] in text


@pytest.mark.parametrize("name", list(entry.Commands.lazy_commands))
def test_a_commands_one_line_is_the_first_sentence_of_its_own_help(name: str) -> None:
    lazy = entry.Commands.lazy_commands[name]
    assert (lazy.load(name).help or "").strip().split("\n")[0] == lazy.help


@pytest.mark.parametrize("name", list(entry.Commands.lazy_commands))
def test_completion_is_installed_for_the_whole_command_only(name: str) -> None:
    options = {
        option for parameter in entry.Commands.lazy_commands[name].load(name).params for option in parameter.opts
    }
    assert "--install-completion" not in options


def test_a_mistyped_command_is_a_usage_error_with_a_suggestion() -> None:
    done = run("akk")
    assert done.returncode == 2
    assert "Did you mean 'ask'" in done.stderr


def test_an_error_of_ours_is_one_line_with_its_exit_code() -> None:
    done = run("ask", "Who?")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pansophy: nothing to read")


@pytest.mark.parametrize("line", ["--debug ask Who?", "ask Who? --debug"])
def test_debug_shows_the_traceback_wherever_it_stands(line: str) -> None:
    done = run(*line.split())
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("pansophy: nothing to read")


def test_a_word_after_two_hyphens_is_not_an_option() -> None:
    words = ["ask", "--", "--debug"]
    assert entry._take_debug(words) is False
    assert words == ["ask", "--", "--debug"]


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SourceError("a.pdf is damaged:\n  no trailer"), 1, "pansophy: a.pdf is damaged: no trailer"),
        (ValueError("odd"), 1, "pansophy: ValueError: odd (this was not foreseen: run it again with --debug"),
        (
            ModuleNotFoundError("No module named 'peft'", name="peft.tuners"),
            2,
            "pansophy: this command needs more packages (peft.tuners is missing): pip install 'pansophy[torch]'",
        ),
        (ModuleNotFoundError("No module named 'oddity'", name="oddity"), 1, "pansophy: ModuleNotFoundError: No module"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_a_command_raises_becomes_a_line_and_a_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "command_under_test", raising(error), raising=False)
    lazy = Lazy(__name__, "command_under_test", "Fails.")
    monkeypatch.setattr(entry.Commands, "lazy_commands", {"fail": lazy})
    with pytest.raises(SystemExit) as exit:
        entry.main(["fail"])
    assert exit.value.code == code
    printed = capsys.readouterr().err
    assert printed.startswith(line)
    assert "Traceback" not in printed


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = Path(sys.executable).parent / "pansophy"
    process = subprocess.Popen([command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()  # long before the help is written
    assert process.stderr is not None
    errors = process.stderr.read()
    process.wait(timeout=60)
    assert errors == ""
