"""A certificate authority made for a test, and the certificates that it signs, good and bad ones."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """`ca.crt` in `folder`; `sign` puts NAME.crt and NAME.key beside it."""

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.crt"),
        )

    @property
    def ca_file(self) -> str:
        return str(self.folder / "ca.crt")

    def sign(self, file: str, common_name: str, *, names: str = "", days: int = 2) -> tuple[str, str]:
        """Return (certificate, key); `names` is its subjectAltName; with `days` below zero it has expired."""
        self._openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={common_name}", "-keyout", f"{file}.key", "-out", f"{file}.csr"),
        )
        (self.folder / "names").write_text(f"subjectAltName = {names}\n" if names else "", encoding="utf-8")
        # `x509` takes no time in the past, `ca` does: this is what `openssl ca` needs to work in a folder.
        (self.folder / "index").write_text("", encoding="ascii")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nnew_certs_dir = .\nrand_serial = yes\n"
            "default_md = sha256\nunique_subject = no\npolicy = any\n[any]\ncommonName = supplied\n",
            encoding="ascii",
        )
        until = ["-days", str(days)] if days > 0 else ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
        self._openssl(
            *("ca", "-batch", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key", "-notext"),
            *("-in", f"{file}.csr", "-out", f"{file}.crt", "-extfile", "names", *until),
        )
        return str(self.folder / f"{file}.crt"), str(self.folder / f"{file}.key")

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
