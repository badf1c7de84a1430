"""`make fuzz`: every decoder under coverage-guided fuzzing (atheris), then the whole OpenAPI.

    python -m tests.fuzz [TARGET ...] [--payloads N] [--seed S] [--corpus FOLDER]

Each target runs in a process of its own, as libFuzzer ends its process. A payload that is a finding is left in the
folder of its target as `crash-…`; `python -m tests.fuzz TARGET --replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

MAX_SECONDS = 2
"""A payload that takes longer is a finding; under instrumentation everything is slower."""
MAX_MEGABYTES = 2048
MAX_BYTES = 65_536
FILES = {"settings", "spots", "parquet", "model", "snapshot"}
"""They go through a file, and are a hundred times slower: they get a hundredth of the payloads."""
OPENAPI = "openapi"


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--payloads", type=int, default=1_000_000)
    parser.add_argument("--examples", type=int, default=200, help="of each operation of the OpenAPI, good and bad")
    parser.add_argument("--seed", type=int, default=0, help="0: another one every time; it is printed")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir(), "lineside-fuzz"))
    parser.add_argument("--replay", type=Path, help="run one payload and nothing else")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        _fuzz(asked.targets[0], asked.payloads, asked.seed, asked.corpus)
    elif asked.replay:
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - each run imports what it needs, and takes seconds

        TARGETS[asked.targets[0]].check(asked.replay.read_bytes())
        print("no finding")
    else:
        sys.exit(_run_all(asked))


def _run_all(asked: argparse.Namespace) -> int:
    from tests.fuzz.targets import TARGETS  # noqa: PLC0415

    failed = []
    for name in asked.targets or [*TARGETS, OPENAPI]:
        started = time.monotonic()
        if name == OPENAPI:
            good = _ask_openapi(asked.examples)
        else:
            payloads = asked.payloads // 100 if name in FILES else asked.payloads
            seed = asked.seed or Random().randrange(1, 2**31)
            command = [sys.executable, "-m", "tests.fuzz", name, "--inside", f"--payloads={payloads}", f"--seed={seed}"]
            good = subprocess.run([*command, f"--corpus={asked.corpus}"], check=False).returncode == 0
            print(f"{name}: {payloads} payloads, seed {seed}, ", end="")
        print(f"{'nothing found' if good else 'FINDING'} in {time.monotonic() - started:.0f} s", flush=True)
        if not good:
            failed.append(name)
    if failed:
        print(f"findings: {', '.join(failed)}; see {asked.corpus}")
    return bool(failed)


def _fuzz(name: str, payloads: int, seed: int, corpus: Path) -> None:
    import atheris  # noqa: PLC0415 - of the group `fuzz`, which tests do not need

    with atheris.instrument_imports(include=["edge", "services.api", "services.backtest", "services.model_files"]):
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415 - imported under instrumentation
    from tests.fuzz.mutate import mutate  # noqa: PLC0415

    target = TARGETS[name]
    folder = corpus / name
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    for k, payload in enumerate(target.seeds):
        (folder / "seeds" / f"{k:03d}").write_bytes(payload)

    def change(data: bytes, max_size: int, round_seed: int) -> bytes:
        """Half of the rounds change the message's tree, the others its bytes as libFuzzer sees fit."""
        if round_seed % 2:
            return mutate(data, Random(round_seed))[:max_size]
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    options = [
        sys.argv[0], str(folder / "seeds"), f"-runs={payloads}", f"-seed={seed}", f"-timeout={MAX_SECONDS}",
        f"-rss_limit_mb={MAX_MEGABYTES}", f"-max_len={MAX_BYTES}", f"-artifact_prefix={folder}/",
        "-print_final_stats=1", "-verbosity=0",
    ]  # fmt: skip
    more = {} if target.whole else {"custom_mutator": change}
    atheris.Setup(options, target.check, **more)
    atheris.Fuzz()


def _ask_openapi(examples: int) -> bool:
    from tests.fuzz.openapi import check_operations, make_app  # noqa: PLC0415

    good = True
    with tempfile.TemporaryDirectory() as folder, make_app(Path(folder)) as app:
        for name, problems in check_operations(app, examples):
            for problem in problems:
                print(f"{name}: {problem}")
            good = good and not problems
    print(f"{OPENAPI}: {examples} good and {examples} bad questions of each operation, ", end="")
    return good


if __name__ == "__main__":
    main()
