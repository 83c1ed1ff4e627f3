"""Completion of verbs, groups and keys in the shell: `eval "$(jxrecon -sc install=bash)"`."""

import os
import sys

from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.core_plugins.fish_completion import FishCompletion
from hydra._internal.core_plugins.zsh_completion import ZshCompletion
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.completion_plugin import CompletionPlugin

from .cli import VERBS
from .errors import InputError
from .hydra_node import composing
from .spelling import suggestion

SHELLS = {"bash": BashCompletion, "zsh": ZshCompletion, "fish": FishCompletion}
ACTIONS = ("install", "uninstall", "query")


def complete(request: str) -> int:
    """`install=SHELL` prints what the shell has to evaluate, `query=SHELL` the words that fit (COMP_LINE in the environment)."""
    action, _, shell = request.partition("=")
    if action not in ACTIONS:
        raise InputError(f"`-sc {request}`: `{action}` is unknown{suggestion(action, ACTIONS)}.")
    if shell not in SHELLS:
        raise InputError(f"`-sc {request}`: the shell `{shell}` is unknown{suggestion(shell, SHELLS)}.")
    with composing():
        plugin = SHELLS[shell](GlobalHydra.instance().config_loader())
        if action == "query":
            _query(plugin)
        else:
            sys.argv[0] = "jxrecon"  # the name that the printed script calls
            getattr(plugin, action)()
    return 0


def _query(plugin: CompletionPlugin) -> None:
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) == 2:
        print(" ".join(verb for verb in VERBS if verb.startswith(words[1])))
    if len(words) > 1 and words[1] in VERBS:
        del words[1]
    os.environ["COMP_LINE"] = " ".join(words)
    plugin.query(config_name="config")
