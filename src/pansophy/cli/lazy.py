"""A command group whose commands are imported when they are called.

Listing them (`pansophy --help`, completion of a command's name) needs only the one-line helps written here with the
names; `tests/cli/test_help.py` holds these against the commands' own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    Context = Any
    Command = Any


@dataclass(frozen=True, slots=True)
class Lazy:
    """Where a command is defined: `module` has `attribute`, a Typer app or a plain function; `help` is its one line."""

    module: str
    attribute: str
    help: str

    def load(self, name: str) -> Command:
        """The real command: that of the function, or the group of the Typer app."""
        target = getattr(import_module(self.module), self.attribute)
        # A group around it, so that only the outermost command has the options that install shell completion.
        around = typer.Typer(add_completion=False)
        around.callback()(_nothing)
        if isinstance(target, typer.Typer):
            around.add_typer(target, name=name)
        else:
            around.command(name)(target)
        return typer.main.get_group(around).commands[name]


def _nothing() -> None:
    """The group around a command does nothing of its own."""


class LazyGroup(TyperGroup):
    """A group that shows `lazy_commands` by their one-line helps and imports only the one that is called."""

    lazy_commands: ClassVar[Mapping[str, Lazy]] = {}

    def list_commands(self, ctx: Context) -> list[str]:
        return list(self.lazy_commands)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        lazy = self.lazy_commands.get(cmd_name)
        return TyperCommand(cmd_name, help=lazy.help) if lazy else None

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        # The names are also put where the base class looks for what a mistyped name may have meant.
        self.commands = {name: TyperCommand(name) for name in self.lazy_commands}
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.lazy_commands:
            command = self.lazy_commands[name].load(name)
        return name, command, rest
