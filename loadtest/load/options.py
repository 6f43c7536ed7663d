"""The command-line options that a sale adds to Locust's, and the `Setup` that they are read and checked into."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.errors import UsageError
from loadtest.experiment.files import find_file, load_experiment
from loadtest.experiment.schema import Experiment
from loadtest.experiment.section import parse, read_toml
from loadtest.load.http.endpoint import Endpoint, endpoint
from loadtest.manifest.shop import Shop

DEFAULT_SHOP = "target/shop.toml"


def add_options(parser: Any, experiment: str = "rush") -> None:
    """Adds the options of a sale to Locust's `parser`. `experiment` is the default of ``--experiment``."""

    def add(flag: str, metavar: str, text: str, default: str = "", in_web_ui: bool = False) -> None:
        parser.add_argument(flag, default=default, metavar=metavar, help=text, include_in_web_ui=in_web_ui)

    # Locust answers --help before it imports the scenario, so that --help shows Locust's own options only.
    parser.add_argument("--help-sale", action="help", help="Show all options, with those of the sale, and exit")
    add("--run-dir", "<dir>", "Directory with experiment.toml and shop.toml; history and samples are written there")
    add("--shop", "<file>", "Without --run-dir: the manifest whose [http] says how to talk to the shop", DEFAULT_SHOP)
    add(
        "--experiment",
        "<name>",
        "Without --run-dir: the experiment whose [arrivals] and [traffic] to follow",
        experiment,
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="<key=value>",
        help="Without --run-dir: a key of the experiment with another value, such as traffic.retries=5; may be given often",
        include_in_web_ui=False,
    )
    add("--sale", "<id>", "Sale to buy from; default: the manifest's", in_web_ui=True)
    add("--buyers-file", "<file>", "With --run-dir: the file of users that the manifest names; it is not copied there")
    add("--shop-ca", "<file>", "PEM file of the authority that signed the shop's certificate")
    parser.add_argument(
        "--web-names",
        action="append",
        default=[],
        metavar="<host>",
        help="Set by loadtest run --web: a name of the web page, beside those of this machine",
        include_in_web_ui=False,
    )
    add("--desk", "<dir>", "Set by loadtest run --web: where the sales of the web page are asked for")
    parser.add_argument(
        "--shop-insecure",
        action="store_true",
        default=False,
        help="Do not verify the shop's certificate",
        include_in_web_ui=False,
    )


@dataclass(frozen=True, slots=True)
class Setup:
    """What the options say. `where` is the shop's address; `manifest` is the TOML text that `shop` was read from; `buyers_file` is the file
    of users, where that names one and this process is to read it."""

    experiment: Experiment
    shop: Shop
    sale: str
    where: Endpoint
    run_dir: Path | None
    manifest: str
    buyers_file: Path | None = None


def read_setup(options: Any, host: str | None) -> Setup:
    """The setup that Locust's parsed `options` and `host` name.

    Raises:
        UsageError: no host, or a file that is missing or wrong.
    """
    if not host:
        raise UsageError("--host: required, the address of the shop, such as --host http://127.0.0.1:8000")
    run_dir = Path(options.run_dir) if options.run_dir else None
    if run_dir:
        experiment = load_experiment(str(run_dir / "experiment.toml"))
    else:
        experiment = load_experiment(options.experiment, options.set)
    path = run_dir / "shop.toml" if run_dir else find_file(options.shop)
    shop = parse(Shop, read_toml(path), str(path))
    where = endpoint(host, Path(options.shop_ca) if options.shop_ca else None, options.shop_insecure)
    users = _buyers_file(shop, path, options.buyers_file, bool(run_dir))
    return Setup(experiment, shop, options.sale or shop.sale, where, run_dir, path.read_text(encoding="utf-8"), users)


def _buyers_file(shop: Shop, manifest: Path, given: str, copied: bool) -> Path | None:
    """The file of users that the manifest names: beside it, or where `given` says if the manifest is a copy."""
    if shop.buyers.file is None:
        return None
    if copied and not given:
        raise UsageError(
            f"--buyers-file: expected where buyers.file = {shop.buyers.file!r} of the manifest is; give its path"
        )
    return Path(given) if given else manifest.parent / shop.buyers.file
