"""SQL by name, from the files in this folder.

A file holds queries. Each begins with a line `-- name: <name>` and a comment that explains it.
`QUERIES["claim_positions"]` is the text of one query, without its comments.
"""

from importlib.resources import files

MARK = "-- name:"


def parse(text: str, source: str) -> dict[str, str]:
    """Returns the queries of one file. Raises ValueError for a query without comment or body."""
    head, *sections = text.split(MARK)
    if head.strip():
        raise ValueError(f"{source}: text before the first `{MARK}`")
    queries: dict[str, str] = {}
    for section in sections:
        name, _, rest = section.partition("\n")
        lines = rest.strip().splitlines()
        body = "\n".join(line for line in lines if not line.startswith("--")).strip()
        name = name.strip()
        if not lines or not lines[0].startswith("-- ") or not body:
            raise ValueError(f"{source}: {name} needs an explanation and a body")
        if name in queries:
            raise ValueError(f"{source}: {name} is there twice")
        queries[name] = body
    return queries


def _load() -> dict[str, str]:
    queries: dict[str, str] = {}
    for path in sorted(files(__name__).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".sql"):
            found = parse(path.read_text(encoding="utf-8"), path.name)
            if twice := queries.keys() & found.keys():
                raise ValueError(f"{path.name}: {sorted(twice)} stand in another file too")
            queries |= found
    return queries


QUERIES = _load()
