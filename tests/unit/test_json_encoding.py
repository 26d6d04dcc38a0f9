"""The comparison of JSON writers compares what is the same."""

from bench import json_encoding


def test_all_ways_write_the_same_json() -> None:
    json_encoding.check_same()
    assert len({len(by_name) for by_name in json_encoding.VALUES.values()}) == 1
