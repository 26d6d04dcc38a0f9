"""`inbox config` shows every setting and no secret."""

from tests.harness.command import inbox
from workers.settings import Settings


async def test_config_shows_every_setting_and_no_secret(settings: Settings) -> None:
    shown = await inbox(settings, "config")

    assert shown.status == 0
    names = [line.partition("=")[0] for line in shown.lines]
    assert names == [variable.name for variable in Settings.variables()]
    assert "INBOX_TWILIO_ACCOUNTS=(set)" in shown.lines
    assert f"INBOX_PARTITIONS={settings.partitions}" in shown.lines
    assert "INBOX_REPLICATION=1" in " ".join(shown.lines)
    assert ":***@127.0.0.1:" in shown.out
    for secret in ("12345", "owner-secret", "worker-secret"):
        assert secret not in shown.out
