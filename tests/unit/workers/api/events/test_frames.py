"""Server-Sent Events as bytes."""

from workers.api.events.frames import HEARTBEAT, PAYLOAD_BYTES_MAX, frame, payload, payloads, retry


def test_an_event_is_three_lines_and_an_empty_one_whatever_its_texts_hold() -> None:
    framed = frame("message", "e-1", {"body": "a\nb\r\n\ndata: c\u2028"})
    assert (
        framed
        == 'id: e-1\nevent: message\ndata: {"body":"a\\nb\\r\\n\\ndata: c\u2028"}\n\n'.encode()
    )


def test_frames_are_sent_together_as_one_chunk() -> None:
    made = payload([retry(1500), b"x" * 20])
    assert made.plain == b"retry: 1500\n\n" + b"x" * 20
    assert made.chunk == b"21\r\n" + made.plain + b"\r\n"
    assert HEARTBEAT.plain == b":\n\n"


def test_many_frames_are_sent_in_parts_and_none_is_cut() -> None:
    third, more = b"a" * (PAYLOAD_BYTES_MAX // 3), b"b" * (PAYLOAD_BYTES_MAX + 1)
    frames = [third, third, third, third, more, third]
    parts = [part.plain for part in payloads(frames)]
    assert parts == [third * 3, third, more, third]
    assert payloads([]) == []
