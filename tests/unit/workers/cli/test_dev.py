"""`inbox dev` lists the packages that are missing before it starts anything."""

import importlib.util

import pytest
from click.testing import CliRunner

from workers.cli.dev import dev
from workers.process.errors import CommandFailed


def test_without_the_extra_it_names_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_jgo(name: str) -> object:
        return None if name == "jgo" else object()

    monkeypatch.setattr(importlib.util, "find_spec", without_jgo)
    with pytest.raises(CommandFailed, match=r"jgo\. Run: pip install -e '\.\[embedded\]'"):
        CliRunner().invoke(dev, ["--exit"], catch_exceptions=False)
