"""`inbox dead-letters` lists dead letters without their content, and shows all of one."""

from tests.harness.command import Completed, inbox
from tests.harness.dead_letters import CONTACT, PARTITION, SECRET, TOPIC, changed, place, publish
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


async def test_list_shows_the_newest_without_their_content(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    await publish(settings, (b"key", SECRET.encode()), (None, changed(f'"{SECRET}"', "17")))
    await topics.publish_raw("lifecycle", message(CONTACT, SECRET).value)
    letters = await topics.read_until("dead-letters", 3)

    def rows(listed: Completed) -> list[list[str]]:
        assert listed.status == 0, listed.err
        assert SECRET not in listed.out
        return [line.split() for line in listed.lines[1:]]

    all_rows = rows(await inbox(settings, "dead-letters", "list"))
    assert sorted(row[0] for row in all_rows) == sorted(map(place, letters))
    [first, second] = [row for row in all_rows if row[3].startswith(settings.topic(TOPIC))]
    assert first[2:] == [
        "not_json",
        f"{settings.topic(TOPIC)}[{PARTITION}]@0",
        str(len(SECRET)),
        "no",
    ]
    assert second[2] == "invalid_data"
    assert rows(await inbox(settings, "dead-letters", "list", "--limit", "1")) == all_rows[-1:]
    by_code = await inbox(settings, "dead-letters", "list", "--code", "invalid_data")
    assert rows(by_code) == [second]
    by_topic = await inbox(settings, "dead-letters", "list", "--topic", "lifecycle")
    assert [row[2] for row in rows(by_topic)] == ["unknown_type"]

    done = await inbox(settings, "dead-letters", "redrive", "--code", "invalid_data", "--dry-run")
    assert done.lines == [
        f"{second[0]} would be redriven: to {settings.topic(TOPIC)}",
        "1 redriven, 0 skipped, 0 impossible",
    ]
    assert [row[-1] for row in rows(await inbox(settings, "dead-letters", "list"))] == ["no"] * 3
    done = await inbox(settings, "dead-letters", "redrive", "--topic", TOPIC)
    assert done.lines[-1] == "2 redriven, 0 skipped, 0 impossible"
    await topics.read_until("dead-letters", 5)
    listed = rows(await inbox(settings, "dead-letters", "list"))
    assert sorted(row[0] for row in listed if row[-1] == "yes") == sorted([first[0], second[0]])


async def test_show_shows_all_of_one_and_nothing_that_drives_a_terminal(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    value = f"{SECRET}\x1b[2J\n\tOlá".encode()
    await publish(settings, (b"\xff\x00", value), (None, None))
    text, nothing = await topics.read_until("dead-letters", 2)

    shown = await inbox(settings, "dead-letters", "show", place(text))
    assert shown.status == 0, shown.err
    assert shown.out.endswith(f"value, {len(value)} bytes:\n{SECRET}\\x1b[2J\n\tOlá\n")
    for line in ("key: ff00", "trace: 00ff", "dl_code: the record's own", "dl_code: not_json"):
        assert line in shown.lines
    shown = await inbox(settings, "dead-letters", "show", place(nothing))
    assert shown.out.endswith("key: (none)\nvalue, 0 bytes:\n(none)\n")


async def test_a_place_that_holds_no_dead_letter_is_said(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    await publish(settings, (b"key", b"{"))
    [letter] = await topics.read_until("dead-letters", 1)
    # After the record comes the control record of its transaction, which is no dead letter.
    for nowhere in (f"{PARTITION}:{letter.offset + 1}", "0:0", "99:0", f"{PARTITION}:999999999"):
        for command in ("show", "redrive"):
            done = await inbox(settings, "dead-letters", command, nowhere)
            assert (done.status, done.out) == (1, "")
            assert done.err == f"inbox: there is no dead letter at {nowhere}\n"
    for wrong in ("1", "1:", "-1:2", "1:2:3"):
        done = await inbox(settings, "dead-letters", "show", "--", wrong)
        assert done.status == 2
        assert "PARTITION:OFFSET" in done.err
