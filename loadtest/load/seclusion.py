"""What Locust would take from around it, and a sale of the harness must not: its files, its variables, and modules of the same names.

The harness says everything that Locust is to know. A ``run-time`` from a ``locust.conf`` would cut the sale short, and a ``redis.py`` that
lies beside the user's scenario is not the library. Locust by itself (``locust -f …``) keeps its own ways.
"""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

PREFIX = "LOCUST_"


def forget_variables() -> None:
    """Removes Locust's variables from this process's environment. Locust reads some when it is imported, so call it before that."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def seclude() -> None:
    """Has Locust read no configuration file, take the name of the scenario as it is, and import it by `load_scenario`."""
    from locust import argument_parser, main

    make = argument_parser.get_empty_argument_parser
    argument_parser.get_empty_argument_parser = lambda add_help=True, **_: make(add_help, default_config_files=[])
    # Locust's own would take a comma in the name of a folder for the end of one file and the beginning of the next.
    main.get_locustfiles_locally = lambda options: [str(Path(options.locustfile).resolve())]
    main.load_locustfile = load_scenario


def load_scenario(path: str) -> tuple[dict[str, Any], list[Any]]:
    """The user classes, by name, and the shapes of the scenario at `path`.

    It may import what lies in its own folder and in the current one, as under Locust; but those are looked through last, so that nothing
    in them stands in for a module of Python, of an installed library, or of ours.
    """
    from locust.util.load_locustfile import is_shape_class, is_user_class

    name = _module_name(Path(path))
    sys.path += [folder for folder in (str(Path(path).parent), str(Path.cwd())) if folder not in sys.path]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = vars(module)
    shapes = [each() for each in found.values() if is_shape_class(each)]
    return {name: each for name, each in found.items() if is_user_class(each)}, shapes


def _module_name(path: Path) -> str:
    """The file's own name, by which its neighbours may import it, unless another module has that."""
    name = path.stem
    taken = not name.isidentifier() or name in sys.modules or importlib.util.find_spec(name) is not None
    return "locustfile" if taken else name
