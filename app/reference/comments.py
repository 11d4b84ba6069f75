"""Reader of comments in source code, from which the pages explain records, settings and metrics."""

import ast
import io
import tokenize
from collections.abc import Iterator
from itertools import pairwise


def field_comments(source: str) -> dict[tuple[str, str], str]:
    r"""Return (class, field) → the comment at the end of the field's line.

    >>> field_comments("class Quotes:\n    bid: float  # the best one\n")
    {('Quotes', 'bid'): 'the best one'}
    """
    by_line = dict(_comments(source))
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {(node.name, name): by_line[line] for node in classes for name, line in _names(node.body) if line in by_line}


def group_headings(source: str) -> dict[str, str]:
    r"""Return name → the comment that heads its group: a comment line after an empty line.

    >>> group_headings("x = 1\n\n# Feed\nTICKS = 2\nQUOTES = 3\n")
    {'TICKS': 'Feed', 'QUOTES': 'Feed'}
    """
    lines = ["", *source.splitlines()]
    groups = {
        at: text for at, text in _comments(source) if lines[at].lstrip().startswith("#") and not lines[at - 1].strip()
    }
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    spans = [*pairwise(sorted(groups)), (max(groups, default=0), len(lines))]
    return {
        name: groups[start]
        for body in bodies
        for name, line in _names(body)
        for start, end in spans
        if start < line < end and start in groups
    }


def _names(body: list[ast.stmt]) -> Iterator[tuple[str, int]]:
    for statement in body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(targets[0], ast.Name):
            yield targets[0].id, statement.end_lineno or statement.lineno


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ").partition("# noqa")[0].strip()
