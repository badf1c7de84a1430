"""Names that look like parts of an address, a path, a query or a formula, asked for over HTTP."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pyarrow as pa
import pytest

from edge.plant import EMPTY
from services.api.app import create_app
from services.api.tables import RISKY, Sheet
from services.curves import CurveReader
from services.evidence_files import FolderEvidence
from services.models_registry import ModelFileError, ModelRegistry
from tests.unit.api.conftest import Client

from .chain import NOW_NS, Chain, message, weld

IDS = [
    "/", "a/../b", "%2e%2e%2f", "../../etc/passwd", "a", "a/curve", "a/curve/curve", "curve", "x/reference", "\u202ex",
    "?#&;=", "\\", "' OR 1=1 --", '") |> drop() //', "\u4e2d" * 128,
]  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("addresses")
    (data / "secret.txt").write_text("secret", encoding="utf-8")
    chain = Chain(data)
    rng = np.random.default_rng(1)
    sent = [weld(n, rng, id=name, spot=name, gun=name, body=name, program=name) for n, name in enumerate(IDS)]
    chain.send(message(*sent))
    chain.state.save(data / "state.npz")
    evidence = FolderEvidence(data, CurveReader(data / "curves", chain.archive))
    web_root = data / "dist"
    web_root.mkdir()
    (web_root / "index.html").write_text("<!doctype html>", encoding="utf-8")
    yield Client(
        create_app(
            store=chain.store,
            evidence=evidence,
            plant=EMPTY,
            config=chain.config,
            web_root=web_root,
            clock=lambda: NOW_NS,
            extra_hosts=["testserver"],
        )
    )
    chain.store.close()


@pytest.mark.parametrize("name", IDS)
def test_every_name_has_an_address(name: str, client: Client) -> None:
    at = quote(name, safe="")
    found = client.json(f"/api/v1/welds/{at}")
    assert found["id"] == name
    assert client.json(f"/api/v1/welds/{at}/curve")["id"] == name
    assert client.json(f"/api/v1/spots/{at}")["spot"] == name
    assert client.json(f"/api/v1/bodies/{at}")["body"] == name
    assert client.json(f"/api/v1/guns/{at}")["gun"] == name


@pytest.mark.parametrize("name", IDS)
def test_filters_find_the_one_and_nothing_else(name: str, client: Client) -> None:
    asked = dict.fromkeys(("spot", "gun", "body", "program"), name)
    assert [item["id"] for item in client.json("/api/v1/welds", **asked)["items"]] == [name]
    for field in ("site", "area", "line", "cell"):
        assert client.json("/api/v1/rate", **{field: name})["n"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "..%5csecret.txt",
        "/secret.txt", "%2fetc%2fpasswd", "....//secret.txt", "assets/../../secret.txt",
        "assets%2f..%2f..%2fsecret.txt",
        "%00secret.txt", "secret.txt%00.html", "..%c0%afsecret.txt", "C:%5csecret.txt", "~root/secret.txt", "%", "%ff",
        "%ed%a0%80", "a" * 5000,
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_folder_of_pages(path: str, client: Client) -> None:
    response = client.request("GET", httpx.URL("http://testserver", raw_path=f"/{path}".encode()))
    assert "secret" not in response.text.replace("secret.txt", "")
    assert response.status_code in {200, 400, 404, 414}
    if response.status_code == 200:
        assert response.text == "<!doctype html>"


@pytest.mark.parametrize("name", ["../state", "..", "a/../b", "/etc/passwd", "A", "a.b", "a\0", "", "x" * 101, "-a"])
def test_a_model_that_is_no_name_of_ours_is_never_looked_for(name: str, tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path / "models")
    assert registry.card(name) is None
    with pytest.raises(ModelFileError, match="no name of ours"):
        registry.load(name)


@pytest.mark.parametrize("name", ["..%2f..%2fstate", "%2e%2e", "A", "a%00b", "x" * 200])
def test_a_model_out_of_the_folder_is_not_found(name: str, client: Client) -> None:
    for path in (f"/api/v1/models/{name}", f"/api/v1/models/{name}/shadow"):
        method = "POST" if path.endswith("shadow") else "GET"
        url = httpx.URL("http://testserver", raw_path=path.encode())
        more = {"json": {"by": "me"}} if method == "POST" else {}
        assert client.request(method, url, **more).status_code in {404, 405}


@pytest.mark.parametrize("seq", ["-1", "1.5", "../1", "%2e%2e%2f1", "1%00", "9" * 40, "0x1", "１"])
def test_a_dead_letter_has_a_number_and_no_path(seq: str, client: Client) -> None:
    response = client.request(
        "GET", httpx.URL("http://testserver", raw_path=f"/api/v1/rejects/{quote(seq, safe='%/')}/payload".encode())
    )
    assert response.status_code in {400, 404}


@pytest.mark.parametrize("begins", RISKY)
def test_csv_holds_no_formula_and_can_be_taken_back(begins: str) -> None:
    value = f"{begins}1+1"
    text = Sheet(pa.schema([("name", pa.string()), ("n", pa.float64())]), [{"name": value, "n": -1.5}]).csv()
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"].startswith("'")
    assert row["name"].removeprefix("'") == value
    assert row["n"] == "-1.5"


def test_a_body_that_is_packed_is_not_unpacked(client: Client) -> None:
    bomb = gzip.compress(b"0" * 2**24)
    response = client.request(
        "POST",
        "/api/v1/inspections",
        content=bomb,
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert response.status_code == 415
    assert response.json()["field"] == "Content-Encoding"


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("path", ["welds", "rate", "trend", "spc/rate", "bodies", "events", "inspections", "changes"])
def test_a_time_before_now_that_lies_before_1970_is_told_so(field: str, path: str, client: Client) -> None:
    problem = client.problem(f"/api/v1/{path}", 400, **{field: "-888888h"})
    assert (problem["field"], problem["came"]) == (field, "-888888h")
    assert problem["expected"] == "a moment between 1970 and 2262"


HUGE = [
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "-1e999",
    "NaN",
    "Infinity",
    "[" * 100_000,
    '{"a":' * 100_000,
    '"\\ud800"',
    "",
]


@pytest.mark.parametrize("value", HUGE, ids=lambda value: f"{value[:8]}-{len(value)}")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("inspections", '{"weld":"a","result":"stick","nugget_mm":%s}'),
        ("inspections", '[{"weld":%s,"result":"stick"}]'),
        ("inspections", '{"weld":"a","weld":%s,"result":"stick","time":"now"}'),
        ("spots/a/reference", '{"action":"pin","by":"me","note":%s}'),
        ("spots/a/reference", '{"action":%s}'),
        ("models/back", '{"by":%s}'),
    ],
)
def test_a_body_with_huge_deep_or_broken_values_is_a_bad_request(
    path: str, body: str, value: str, client: Client
) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.request("POST", f"/api/v1/{path}", content=(body % value).encode(), headers=headers)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.json()["detail"]) < 1000
