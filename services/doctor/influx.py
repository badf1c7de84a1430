"""InfluxDB: reachable, the token's rights, the bucket's retention, and one point in, out and gone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from edge.findings import Finding
from services.config import StoreSettings

ABOUT = "store"
ANSWER_MS = 10_000
MEASUREMENT = "lineside_doctor"
"""Of no other use, so that taking it away can take nothing else away."""
DAY_S = 86_400
UNAUTHORISED, FORBIDDEN, NOT_FOUND = 401, 403, 404


def check_influx(settings: StoreSettings) -> Iterator[Finding]:
    """Yield what is to be said of the InfluxDB of the settings."""
    if not settings.token:
        do = "set LINESIDE_STORE_TOKEN or store.token_file"
        yield Finding("wrong", ABOUT, "store.token is empty; expected an InfluxDB token", do)
        return
    with InfluxDBClient(settings.url, settings.token, org=settings.org, timeout=ANSWER_MS) as client:
        try:
            version = client.version()
        except (ApiException, HTTPError, OSError, ValueError) as error:
            what = f"no InfluxDB at {settings.url}: {_reason(error)}"
            yield Finding("wrong", ABOUT, what, "start it, or set store.url")
            return
        yield Finding("fine", ABOUT, f"InfluxDB {version} answers at {settings.url}")
        try:
            bucket = client.buckets_api().find_bucket_by_name(settings.bucket)
            if bucket is None:
                do = "make it, or let `lineside edge` make it with a token that may"
                yield Finding("wrong", ABOUT, f"this token sees no bucket {settings.bucket!r}", do)
                return
            yield from _check_retention(bucket, settings.bucket)
            yield from _try_point(client, settings)
        except ApiException as error:
            yield _denied(error, settings)
        except (HTTPError, OSError) as error:
            yield Finding("wrong", ABOUT, f"InfluxDB at {settings.url}: {_reason(error)}", "see its log")


def _check_retention(bucket: Any, name: str) -> Iterator[Finding]:
    spans = [rule.every_seconds for rule in bucket.retention_rules or [] if rule.every_seconds]
    if spans:
        what = f"bucket {name!r} forgets verdicts after {min(spans) / DAY_S:.0f} days"
        do = "if that is not meant: influx bucket update --retention 0"
        yield Finding("warning", ABOUT, what, do)
    else:
        yield Finding("fine", ABOUT, f"bucket {name!r} keeps everything")


def _try_point(client: InfluxDBClient, settings: StoreSettings) -> Iterator[Finding]:
    now_ns = time.time_ns()
    line = f"{MEASUREMENT} probe=42 {now_ns}"
    with client.write_api(write_options=SYNCHRONOUS) as writer:
        writer.write(settings.bucket, record=line)
    try:
        flux = f'from(bucket: bucket) |> range(start: -1h) |> filter(fn: (r) => r._measurement == "{MEASUREMENT}")'
        tables = client.query_api().query(flux, params={"bucket": settings.bucket})
        values = [record.get_value() for table in tables for record in table.records]
    finally:
        start, stop = (datetime.fromtimestamp(now_ns / 1e9 + shift, UTC) for shift in (-3600, 3600))
        client.delete_api().delete(start, stop, f'_measurement="{MEASUREMENT}"', bucket=settings.bucket)
    if 42.0 in values:
        yield Finding("fine", ABOUT, "it took a point, gave it back, and took it away again")
    else:
        yield Finding("wrong", ABOUT, f"it took a point and gave back {values}", "see its log, and its clock")


def _denied(error: ApiException, settings: StoreSettings) -> Finding:
    if error.status == UNAUTHORISED:
        return Finding(
            "wrong", ABOUT, "InfluxDB does not know the token", "set LINESIDE_STORE_TOKEN or store.token_file"
        )
    if error.status in {FORBIDDEN, NOT_FOUND}:
        what = f"the token may not read and write bucket {settings.bucket!r} of {settings.org!r} ({error.status})"
        return Finding(
            "wrong", ABOUT, what, "influx auth create --read-bucket ID --write-bucket ID, and use that token"
        )
    return Finding("wrong", ABOUT, f"InfluxDB at {settings.url} answered {error.status}: {error.reason}", "see its log")


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", "") or error)
    return text.rsplit(": ", 1)[-1].rstrip("')")
