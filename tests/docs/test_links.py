"""Does every link of the documents lead somewhere?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents import DOCUMENTS, ROOT, anchors, links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(document: Path) -> None:
    for link in links(document):
        target, _, anchor = link.partition("#")
        if ":" in target:
            continue  # somewhere else
        file = (document.parent / target).resolve() if target else document
        assert file.exists(), f"{link} leads nowhere"
        assert file.is_relative_to(ROOT), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors(file), f"{link}: there is no such heading"


def test_every_document_can_be_found_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        document = todo.pop()
        if document in seen or document.suffix != ".md":
            continue
        seen.add(document)
        targets = (link.partition("#")[0] for link in links(document))
        todo += [
            (document.parent / target).resolve()
            for target in targets
            if target and ":" not in target
        ]
    assert {str(one.relative_to(ROOT)) for one in set(DOCUMENTS) - seen} == set()
