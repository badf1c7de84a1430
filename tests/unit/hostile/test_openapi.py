"""Whatever is asked of the API, the answer is one that its document tells of; `make fuzz` asks longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.openapi import check_operations, make_app

EXAMPLES = 2


@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_document_tells_of(tmp_path: Path, subtests) -> None:
    asked = 0
    with make_app(tmp_path) as app:
        for name, problems in check_operations(app, EXAMPLES):
            asked += 1
            with subtests.test(name):
                assert not problems, "\n\n".join(map(str, problems))
    assert asked > 30
