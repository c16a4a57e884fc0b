"""`sesr completion`: the shell completes commands, options and the names of networks.

A shell that has read what this prints asks `sesr` itself for completions, at each press of the tab key, by environment
variables. argcomplete, the extra ``completion``, answers from the parser (`answer_shell`), in a tenth of a second.
"""

import argparse
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sesr.commands.arguments import Arguments, add_command
from sesr.errors import NotInstalledError

if TYPE_CHECKING:
    from sesr.commands.arguments import Commands

_NETWORKS = ("model", "models", "init_from", "teacher")
"""Arguments that name networks."""

_HOW = """\
to complete commands, options and names of networks with the tab key, add to
  ~/.bashrc                   eval "$(sesr completion bash)"
  ~/.zshrc, after compinit    eval "$(sesr completion zsh)"
  ~/.config/fish/config.fish  sesr completion fish | source
"""


def add_completion(commands: "Commands") -> None:
    """Add the subcommand."""
    parser = add_command(commands, "completion", _completion, "print what makes a shell complete this command")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HOW
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="shell that is to read it")


def answer_shell(parser: argparse.ArgumentParser) -> None:
    """Print completions and end the process, if a shell asks for them by its environment variables."""
    if "_ARGCOMPLETE" in os.environ:
        _complete_networks(parser)
        with suppress(NotInstalledError):
            _argcomplete().autocomplete(parser)


def _complete_networks(parser: argparse.ArgumentParser) -> None:
    """Make argcomplete complete arguments that name a network, in all subcommands; where no name fits, to files."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_networks(command)
        elif action.dest in _NETWORKS and action.choices is None:
            action.completer = _network_names  # type: ignore[attr-defined]


def _network_names(**_: object) -> list[str]:
    from sesr.network.zoo import list_networks

    return sorted({network.name for network in list_networks()})


def _completion(arguments: Arguments) -> int:
    print(_argcomplete().shellcode(["sesr"], shell=arguments.shell))
    return 0


def _argcomplete() -> Any:  # noqa: ANN401 - a module of an extra
    try:
        import argcomplete
    except ImportError as error:
        raise NotInstalledError("completion needs argcomplete: pip install 'sesr[completion]'") from error
    return argcomplete
