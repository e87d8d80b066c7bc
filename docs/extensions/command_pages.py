"""The pages of the command line, written from its parser: one for each command, with a target for each option."""

import argparse
import re
from pathlib import Path

from hotloop.network.cli.parser import parser


def write(folder: Path) -> None:
    """Write a page for each command into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = parser()
    (commands,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        file, text = folder / f"{name}.rst", page(command)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def page(command: argparse.ArgumentParser) -> str:
    """Return the page of a command: what it does, its usage, its options by group, and the rest of its help."""
    command.formatter_class = lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=80)
    indent = " " * len(f"usage: {command.prog} ")
    usage = command.format_usage().removeprefix("usage: ").replace(indent, "    ")
    lines = [
        *heading(command.prog, "="),
        command.description,
        "",
        *literal(usage, "text"),
        f".. program:: {command.prog}",
    ]
    for group in command._action_groups:
        if group._group_actions:
            lines += ["", *heading((group.title or "options").capitalize(), "-")]
            for action in group._group_actions:
                lines += option(command, action)
    return "\n".join([*lines, "", *epilog(command.epilog or "")])


def heading(text: str, line: str) -> list[str]:
    """Return a heading."""
    return [text, line * len(text), ""]


def literal(text: str, language: str) -> list[str]:
    """Return a block of text as it stands."""
    indent = [f"   {line}".rstrip() for line in text.strip("\n").split("\n")]
    return [f".. code-block:: {language}", "", *indent, ""]


def option(command: argparse.ArgumentParser, action: argparse.Action) -> list[str]:
    """Return one option or argument, with its help."""
    form = command._get_formatter()
    values = "" if action.nargs == 0 else form._format_args(action, form._get_default_metavar_for_optional(action))
    named = [f"{name} {values}".strip() for name in action.option_strings] or [form._format_args(action, action.dest)]
    return ["", f".. option:: {', '.join(named)}", "", f"   {escaped(form._expand_help(action))}"]


def escaped(text: str) -> str:
    """Return text in which reStructuredText finds no mark-up."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def epilog(text: str) -> list[str]:
    """Return the end of a help text: sections, whose tables stay as they are."""
    lines: list[str] = []
    for section in re.split(r"\n\n(?=\S)", text):
        title, _, rest = section.partition("\n")
        if title.endswith(":") and rest:
            language = "console" if title == "examples:" else "text"
            lines += [*heading(title[:-1].capitalize(), "-"), *literal(rest, language)]
        else:
            lines += [escaped(section), ""]
    return lines
