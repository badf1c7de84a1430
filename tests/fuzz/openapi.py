"""schemathesis over the whole OpenAPI document, over an application in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from services.api.app import create_app
from services.config import Config
from tests.unit.api.shop import NOW, PLANT, make_shop


@contextlib.contextmanager
def make_app(folder: Path) -> Iterator[FastAPI]:
    """Give an application over the small shop of the API's tests."""
    shop = make_shop(folder)
    yield create_app(
        store=shop.store,
        evidence=shop.evidence,
        plant=PLANT,
        config=Config(data_dir=str(folder)),
        web_root=None,
        clock=lambda: NOW,
        extra_hosts=["testserver"],
    )
    shop.store.close()


def check_operations(app: FastAPI, examples: int) -> Iterator[tuple[str, list[BaseException]]]:
    """Ask each operation `examples` good and as many bad questions; yield its name and what is wrong with answers.

    Every check of schemathesis applies: no 500, status codes and content types that the document has, bodies as their
    schema says, bad input refused, wrong methods refused. But for two: on this machine and without users, no
    credentials are asked for; and no schema can say which cursors there are, or that `since` lies before `until`.
    """
    for found in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations():
        operation = found.ok()
        problems: list[BaseException] = []
        for mode in GenerationMode:
            try:
                _check(operation.as_strategy(generation_mode=mode), examples)
            except Unsatisfiable:  # there is nothing that could be wrong
                continue
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, it is a finding
                problems.append(error)
        yield operation.label, problems


def _check(cases: object, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def ask(case: Case) -> None:
        assume(not any(_is_blank(value) for value in (case.query or {}).values()))  # blank counts as not given
        case.call_and_validate(excluded_checks=[ignored_auth, positive_data_acceptance])

    ask()


def _is_blank(value: object) -> bool:
    """Tell whether a value is nothing once it stands in an address."""
    return value in ("", None) or (isinstance(value, dict | list) and not any(value))
