"""Which topic is worked on by which agent: one literal table."""

from collections.abc import Callable
from typing import NamedTuple

from schemas.commands import ConversationAssign, ConversationClose, ConversationReopen
from schemas.directory import (
    ChannelInstalled,
    ChannelRemoved,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import EventData
from schemas.messages import MessageReceived
from workers.batch import Work
from workers.commanded import Commands
from workers.directed import DirectoryChanges
from workers.directories import Directories
from workers.received import ReceivedMessages


class Context(NamedTuple):
    """What agents share."""

    directories: Directories
    app_url: str


class Agent(NamedTuple):
    """The types that an agent handles, and how it begins a batch."""

    structs: tuple[type[EventData], ...]
    begin: Callable[[Context], Work]


AGENTS: dict[str, Agent] = {
    "messages.received": Agent(
        (MessageReceived,),
        lambda context: ReceivedMessages(context.directories, context.app_url),
    ),
    "assignments": Agent(
        (ConversationAssign,),
        lambda context: Commands("assignments", context.directories, context.app_url),
    ),
    "lifecycle": Agent(
        (ConversationClose, ConversationReopen),
        lambda context: Commands("lifecycle", context.directories, context.app_url),
    ),
    "directory": Agent(
        (
            UserUpserted,
            UserRemoved,
            UserAvailabilityChanged,
            UserNotificationSettingsChanged,
            ChannelInstalled,
            ChannelRemoved,
        ),
        lambda context: DirectoryChanges(),
    ),
}
