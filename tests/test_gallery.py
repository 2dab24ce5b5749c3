"""Every figure in a table of the gallery stands on a page, or in a file of results, that its story links to."""

import re

import pytest
from helpers import ROOT

DOCS = ROOT / "docs"
STORIES = (DOCS / "gallery.md").read_text().split("\n## ")[1:]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
CALCULATED = {"steps", "time", "minutes"}  # columns, from epochs and from seconds an epoch


def numbers(text):
    return [match.replace(",", "") for match in NUMBER.findall(text)]


def tables(story):
    """Pairs of a column's name and a cell."""
    for block in re.findall(r"(?:^\|.*\|\n)+", story, re.M):
        head, _, *rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()]
        yield from ((name, cell) for row in rows for name, cell in zip(head[1:], row[1:], strict=True))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.splitlines()[0])
def test_figures_stand_where_the_story_says(story):
    pages = {path for path in re.findall(r"\]\(([\w/.-]+\.(?:md|json))", story)}
    there = {float(number) for path in pages for number in numbers((DOCS / path).read_text())}
    cells = [cell for column, cell in tables(story) if column not in CALCULATED]
    assert len(pages) > 0 and len(cells) > 5
    for number in (number for cell in cells for number in numbers(cell)):
        digits = len(number.partition(".")[2])
        same = (round(scale * other, digits) == float(number) for other in there for scale in (1, 100))
        assert any(same), f"{number} is on none of {sorted(pages)}"
