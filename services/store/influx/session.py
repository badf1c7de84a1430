"""Talking to InfluxDB: lines in, rows of text out, every failure a `StoreError` that says what InfluxDB said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import msgspec
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dialect import Dialect
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from services.config import StoreSettings
from services.store.influx import queries
from services.store.influx.lines import chunks
from services.store.protocol import StoreError

TIMEOUT_MS = 60_000
_DIALECT = Dialect(header=True, delimiter=",", annotations=[], date_time_format="RFC3339Nano")

csv.field_size_limit(2**20)  # a `row` can be longer than the module's default of 128 KiB allows

T = TypeVar("T")


class Session:
    """One organisation and bucket of one InfluxDB. Safe to use from several threads."""

    def __init__(self, settings: StoreSettings) -> None:
        """Raise `StoreError` when there is no token to log in with."""
        if not settings.token:
            raise StoreError(
                "store.token is empty; expected an InfluxDB token: set LINESIDE_STORE_TOKEN or store.token_file"
            )
        self._settings = settings
        # Without gzip: the client's level 9 took four times as long as all else that is done here to write a weld.
        self._client = InfluxDBClient(settings.url, settings.token, org=settings.org, timeout=TIMEOUT_MS)
        # Never the batching writer: it answers before anything is written and loses what it cannot write.
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._reader = self._client.query_api()

    def write(self, lines: Iterable[str]) -> None:
        """Write lines in bounded requests, in their order; returns when InfluxDB has taken all.

        Points older than the bucket's retention are left out by InfluxDB, which is what the retention asks for.
        """
        for body in chunks(lines):
            try:
                self._try(partial(self._writer.write, self._settings.bucket, record=body))
            except StoreError as error:
                if not _only_expired(error):
                    raise

    def query(self, flux: str) -> list[dict[str, str]]:
        """Return the rows of all tables; a column that a row's table does not have is not among its keys."""
        text = queries.in_bucket(self._settings.bucket, flux)
        return list(_parse(self._try(partial(self._read, text))))

    def ensure_bucket(self) -> None:
        """Make the bucket, without an end to its retention, when it does not exist."""
        buckets = self._client.buckets_api()
        if self._try(lambda: buckets.find_bucket_by_name(self._settings.bucket)) is not None:
            return
        try:
            self._try(
                lambda: buckets.create_bucket(
                    bucket_name=self._settings.bucket,
                    retention_rules=BucketRetentionRules(type="expire", every_seconds=0),
                    org=self._settings.org,
                )
            )
        except StoreError as error:
            raise StoreError(
                f"organisation {self._settings.org!r} has no bucket {self._settings.bucket!r} that this token may see, "
                f"and it could not be made: {error}"
            ) from error

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._client.close()

    def _read(self, text: str) -> str:
        answer: bytes = self._reader.query_raw(text, dialect=_DIALECT).data
        return answer.decode()

    def _try(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ApiException as error:
            raise StoreError(f"InfluxDB at {self._settings.url} answered {error.status}: {_message(error)}") from error
        except (HTTPError, InfluxDBError, OSError) as error:
            raise StoreError(f"InfluxDB at {self._settings.url}: {error}") from error


def _only_expired(error: StoreError) -> bool:
    """Tell whether InfluxDB wrote all but what the bucket would drop at once: trying again would never end."""
    return "outside retention policy" in str(error) and "conflict" not in str(error)


class _Answer(msgspec.Struct):
    message: str


def _message(error: ApiException) -> str:
    body = error.body or b""
    try:
        return msgspec.json.decode(body, type=_Answer).message
    except msgspec.DecodeError:
        return str(error.reason)


def _parse(text: str) -> Iterable[dict[str, str]]:
    """Read InfluxDB's CSV: tables one after the other, each with a header of its own, an empty line between them."""
    header: list[str] = []
    for cells in csv.reader(io.StringIO(text, newline="")):
        if not cells:
            header = []
        elif not header:
            header = cells
        elif "error" in header:
            raise StoreError(f"InfluxDB could not finish the query: {dict(zip(header, cells, strict=True))['error']}")
        else:
            yield dict(zip(header, cells, strict=True))
