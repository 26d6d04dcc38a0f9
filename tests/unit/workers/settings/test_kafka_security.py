"""Settings of Kafka's security that contradict each other are refused, without their secrets."""

from pathlib import Path

import pytest

from tests.harness.certificates import Certificates
from workers.settings import Settings, SettingsError
from workers.settings.kafka_security import PREFIX

PASSWORD = "pass-w0rd-of-the-inbox"

SASL = {
    "PROTOCOL": "SASL_SSL",
    "USERNAME": "inbox",
    "PASSWORD": PASSWORD,
}


@pytest.mark.parametrize(
    ("given", "name", "wrong"),
    [
        ({"PROTOCOL": "TLS"}, "PROTOCOL", "must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"),
        (
            SASL | {"SASL_MECHANISM": "GSSAPI"},
            "SASL_MECHANISM",
            "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        ),
        (SASL | {"USERNAME": ""}, "USERNAME", "is not set, and the protocol SASL_SSL needs it"),
        (SASL | {"PASSWORD": ""}, "PASSWORD", "is not set, and the protocol SASL_SSL needs it"),
        ({"USERNAME": "inbox"}, "USERNAME", "the protocol PLAINTEXT ignores it"),
        ({"PASSWORD": PASSWORD}, "PASSWORD", "the protocol PLAINTEXT ignores it"),
        ({"PROTOCOL": "SSL", "PASSWORD": PASSWORD}, "PASSWORD", "the protocol SSL ignores it"),
        ({"CAFILE": "<authority>"}, "CAFILE", "the protocol PLAINTEXT ignores it"),
        (
            SASL | {"PROTOCOL": "SASL_PLAINTEXT", "CAFILE": "<authority>"},
            "CAFILE",
            "the protocol SASL_PLAINTEXT ignores it",
        ),
        (SASL | {"CAFILE": "/nowhere/ca.pem"}, "CAFILE", "cannot be read: No such file"),
        (SASL | {"CAFILE": "/"}, "CAFILE", "cannot be read: Is a directory"),
        (SASL | {"CAFILE": "<garbage>"}, "CAFILE", "cannot be used: SSLError"),
        ({"PROTOCOL": "SSL", "KEYFILE": "<server_key>"}, "CERTFILE", "is not set"),
        ({"PROTOCOL": "SSL", "CERTFILE": "<server>"}, "CERTFILE", "with its key"),
        (
            {"PROTOCOL": "SSL", "CERTFILE": "<client>", "KEYFILE": "<server_key>"},
            "CERTFILE",
            "with its key",
        ),
        (
            {"PROTOCOL": "SSL", "CERTFILE": "<server>", "KEYFILE": "<locked_key>"},
            "CERTFILE",
            "no passphrase",
        ),
    ],
)
def test_settings_that_do_not_fit_together_name_the_one_to_change(
    tmp_path: Path, given: dict[str, str], name: str, wrong: str
) -> None:
    certificates = Certificates.make(tmp_path)
    (tmp_path / "garbage.pem").write_text("no certificate")
    (tmp_path / "locked_key.pem").write_bytes(certificates.locked_key())
    environment = {
        PREFIX + key: str(tmp_path / f"{value[1:-1]}.pem") if value.startswith("<") else value
        for key, value in given.items()
    }
    with pytest.raises(SettingsError, match=f"^{PREFIX}{name}: .*{wrong}") as caught:
        Settings.from_environment(environment)
    assert PASSWORD not in str(caught.value)


def test_settings_of_every_protocol_can_be_handed_to_a_process_of_ones_own(tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    environment = {
        "PROTOCOL": "sasl_ssl",
        "SASL_MECHANISM": "scram-sha-256",
        "USERNAME": "inbox",
        "PASSWORD": PASSWORD,
        "CAFILE": str(certificates.authority),
        "CERTFILE": str(certificates.server),
        "KEYFILE": str(certificates.server_key),
    }
    settings = Settings.from_environment({PREFIX + name: environment[name] for name in environment})
    assert settings.kafka_security.protocol == "SASL_SSL"
    assert settings.kafka_security.mechanism == "SCRAM-SHA-256"
    assert Settings.from_environment(settings.environment()) == settings
