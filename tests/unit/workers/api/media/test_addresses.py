"""Which addresses a file may come from."""

import socket
from typing import NoReturn

import pytest

from workers.api.media.addresses import NoPublicAddress, PublicResolver, is_public


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",  # noqa: S104  # nothing is bound here
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",  # 169.254.169.254, behind a translator
        "2002:7f00:1::",  # 127.0.0.1, by 6to4
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # 127.0.0.1, by Teredo
        "2002:5db8:d70e::1",  # a public one, by 6to4
        "::127.0.0.1",
        "::ffff:0:7f00:1",
        "64:ff9b:1::7f00:1",
        "fec0::1",
        "2001:db8::1",
        "4000::1",
        "192.0.0.8",
        "192.0.0.9",
        "127.1",
        "localhost",
        "",
    ],
)
def test_addresses_of_this_machine_or_of_other_networks(address: str) -> None:
    assert not is_public(address)


async def test_a_name_that_leads_to_this_machine_is_refused_unless_it_is_twilios_api() -> None:
    with pytest.raises(NoPublicAddress):
        await PublicResolver("api.twilio.com").resolve("localhost", 443)
    assert await PublicResolver("localhost").resolve("localhost", 443)


@pytest.mark.parametrize(
    ("host", "answered", "raised"),
    [
        ("nowhere.twilio.com", socket.EAI_NONAME, NoPublicAddress),
        ("nowhere.twilio.com", socket.EAI_NODATA, NoPublicAddress),
        ("nowhere.twilio.com", socket.EAI_AGAIN, socket.gaierror),
        ("api.twilio.com", socket.EAI_NONAME, socket.gaierror),
    ],
)
async def test_a_name_that_does_not_exist_is_told_from_one_that_is_not_known_now(
    monkeypatch: pytest.MonkeyPatch, host: str, answered: int, raised: type[OSError]
) -> None:
    def getaddrinfo(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(answered, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(raised):
        await PublicResolver("api.twilio.com").resolve(host, 443)
