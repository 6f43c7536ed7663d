"""Drafts of the shops in examples/, from a curl line, a recording and an API document: filled in where they are marked, `loadtest check` accepts them."""

import io
import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from rich.console import Console

from loadtest.drafting.draft import marks_in
from loadtest.drafting.placing import draft_text
from loadtest.manifest.marks import MARK
from loadtest.rehearsal.small import small_experiment
from loadtest.rehearsal.story import rehearse
from loadtest.rehearsal.telling import Telling
from loadtest.sale.beforehand.given_broker import follow_given
from loadtest.stack import Services
from loadtest.stack.external import Given
from tests.loadtest.drafting import recordings
from tests.needs import need, need_program
from tests.test_examples import EXAMPLES, install, mariadb_of_its_own, rabbitmq_of_its_own  # noqa: F401 (fixtures)

LOG_IN = {
    "request": "POST /login/do_login",
    "form": {"mobile": "{buyer.mobile}", "password": "{buyer.password}"},
    "capture": {"token": "json:data.token"},
}
HIDDEN = {
    "at": "click", "request": "GET /seckill/path?goods=1", "headers": {"Authorization": "Bearer {token}"}, "expect": {"json": {"code": 0}},
    "capture": {"path": "json:data"},
}  # fmt: skip
RESULT = {
    "request": "GET /seckill/result?goods=1", "headers": {"Authorization": "Bearer {token}"},
    "outcomes": [
        {"json": {"code": 0, "data": 0}, "is": "pending"}, {"json": {"code": 0, "data": -1}, "is": "rejected"},
        {"json": {"code": 0}, "is": "confirmed", "number": "json:data"},
    ],
}  # fmt: skip
SOURCES: dict[str, dict[str, str]] = {
    "counter": {
        "curl": """curl http://127.0.0.1:8000/buy -H 'Content-Type: application/json' --data-raw '{"name":"Ann","size":42}'""",
        "har": recordings.har(recordings.COUNTER),
        "openapi": recordings.COUNTER_API,
    },
    "code_jwt": {
        "curl": f"curl http://127.0.0.1:8000/seckill/{recordings.HIDDEN}/do_seckill -H 'Authorization: {recordings.BEARER['Authorization']}' -d goods=1",
        "har": recordings.har(recordings.CODE_JWT),
        "openapi": recordings.CODE_JWT_API,
    },
    "django_celery": {
        "curl": f"curl http://127.0.0.1:8000/tickets/buy/ -X POST -H 'X-CSRFToken: {recordings.CSRF_2}' -b '{recordings.COOKIES['Cookie']}'",
        "har": recordings.har(recordings.DJANGO),
        "openapi": recordings.DJANGO_API,
    },
    "node_queue": {
        "curl": "curl http://127.0.0.1:3000/api/orders -X POST -H 'X-User-Id: u-1'",
        "har": recordings.har(recordings.NODE),
        "openapi": recordings.NODE_API,
    },
}
# What a user fills in for a step that is marked, and what the shop says when nothing is left.
SOLD_OUT: dict[str, dict[str, Any]] = {
    "counter": {"contains": "Sold out"}, "code_jwt": {"json": {"code": 500500}}, "django_celery": {"status": 410}, "node_queue": {"status": 410},
}  # fmt: skip


@pytest.fixture(scope="module")
def given(services: Services, rabbitmq_of_its_own: tuple[str, ...], mariadb_of_its_own: str | None) -> Given:  # noqa: F811
    """Services for all of them."""
    return Given(services.postgres, services.redis, (services.broker, *rabbitmq_of_its_own), mysql=mariadb_of_its_own)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder beside which the examples' Python is."""
    (tmp_path / ".venv").symlink_to(EXAMPLES / ".venv")
    return tmp_path / "shop"


@pytest.mark.parametrize("kind", ["curl", "har", "openapi"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_draft_that_is_filled_in_is_sound(name: str, kind: str, folder: Path, given: Given) -> None:
    if name == "django_celery":
        need(len(given.brokers) > 1, "a RabbitMQ on 127.0.0.1:5672", "apt install rabbitmq-server, and start it")
    if name == "code_jwt":
        need(given.mysql, "a MariaDB on 127.0.0.1:3306", "apt install mariadb-server, and start it")
    if name == "node_queue":
        need_program("npm", package="nodejs npm")
    install(name)
    shutil.copytree(EXAMPLES / name, folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    text = drafted(kind, SOURCES[name][kind], folder)
    assert marks_in(text) <= 5
    example = tomllib.loads((folder / "shop.toml").read_text(encoding="utf-8"))
    file = folder / "mine.toml"
    file.write_text(tomli_w.dumps(filled(name, tomllib.loads(text), example)), encoding="utf-8")
    console = Console(file=io.StringIO(), width=160, markup=False, emoji=False, highlight=False)
    telling = Telling(console)
    brokers = given.brokers[1:] if name == "django_celery" else given.brokers[:1]
    asked = Given(given.postgres, given.redis, brokers, mysql=given.mysql if name == "code_jwt" else None)
    sound = rehearse(follow_given(small_experiment(file, ()), asked), asked, telling)
    assert sound, f"{text}\n{console.file.getvalue()}"  # type: ignore[attr-defined]


def drafted(kind: str, source: str, folder: Path) -> str:
    """The draft, of a source that may have to be a file."""
    if kind != "curl":
        (folder / "source.json").write_text(source, encoding="utf-8")
        source = str(folder / "source.json")
    return draft_text(kind, source, "mine")


def filled(name: str, draft: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """The draft with its marks filled in, and started as the example is: a draft takes a shop that runs."""
    http = draft["http"]
    http["base_url"] = "http://127.0.0.1:{port}"
    sold_out, won = (
        next(rule for rule in http["buy"]["outcomes"] if rule["is"] == "sold_out"),
        http["buy"]["outcomes"][-1],
    )
    if MARK in json.dumps(sold_out):
        sold_out.pop("contains")
        sold_out |= SOLD_OUT[name]
    if won["is"] == MARK:
        won["is"] = "accepted" if name == "code_jwt" else "won"
    if name == "code_jwt" and MARK in json.dumps(http.get("before", [])):
        http["before"] = [LOG_IN, HIDDEN]
        http.setdefault("status", RESULT)  # as the note beside "accepted" says
    if name == "code_jwt" and len(http["buy"]["outcomes"]) == 4:
        http["buy"]["outcomes"].insert(0, {"json": {"code": 500502}, "is": "already_bought"})
    for step in http.get("before", []):
        if step["request"] == f"GET /{MARK}":
            step["request"] = "GET /accounts/login/"
        form = step.get("form", {})
        form |= {"password": "secret"} if form.get("password") == MARK else {}
    assert MARK not in json.dumps(http), http
    kept = {
        key: example[key] for key in ("sale", "env", "prepare", "process", "buyers", "truth", "queue") if key in example
    }
    draft["final"]["rows"] = example["final"]["rows"]
    return {**draft, **kept, "final": draft["final"]}
