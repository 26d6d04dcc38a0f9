"""Every field that Twilio is known to send in its two forms, and what the inbox makes of it.

Twilio adds fields without notice. One that is missing here is ignored, as are those without a use;
they are listed so that the next use of one is a decision. Sources: Twilio's guides about webhook
requests and status callbacks, and forms as they came.
"""

from typing import NamedTuple


class FormField(NamedTuple):
    """A field of a form."""

    name: str
    """`{n}` stands for the number of a file, from 0."""
    meaning: str
    use: str = ""
    """What the inbox makes of it; "" if nothing yet."""


MESSAGE_FIELDS = (
    FormField("AccountSid", "the account at Twilio", "picks the secrets of the signature"),
    FormField("MessageSid", "the id of the message", "`provider_message_id`"),
    FormField("From", "the contact's address", "`contact.address`"),
    FormField("To", "our address", "finds the channel"),
    FormField("Body", "the text", "`body`; whether the form is a message"),
    FormField("NumMedia", "how many files", "`media`; whether the form is a message"),
    FormField("MediaUrl{n}", "where a file is", "`media`"),
    FormField("MediaContentType{n}", "what a file is", "`media`"),
    FormField("SmsStatus", "`received`", "whether the form is a message"),
    FormField("MessageStatus", "seldom there", "whether the form is a message"),
    FormField("ProfileName", "the contact's name on WhatsApp", "`contact.name`"),
    FormField("WaId", "WhatsApp's number of the contact", "`contact.identities`"),
    FormField("ExternalUserId", "the channel's id of the contact", "`contact.identities`"),
    FormField("MessageType", "`text`, `interactive`, ...", "names what cannot be shown"),
    FormField("ButtonText", "the button that was pressed", "`body`, if that does not say it"),
    FormField("ButtonPayload", "the company's name of that button", "`context.button_payload`"),
    FormField("ListTitle", "the item that was chosen", "`body`, if that does not say it"),
    FormField("ListId", "the company's name of that item", "`context.list_id`"),
    FormField("InteractiveData", "what was chosen or filled in, as JSON", "`context.form`, `body`"),
    FormField(
        "FlowData", "the answers of a form, as JSON", "as `InteractiveData`, if that is empty"
    ),
    FormField("OriginalRepliedMessageSid", "the message it answers", "`context.in_reply_to`"),
    FormField("Forwarded", "`true`: it was forwarded", "`context.forwarded`"),
    FormField("FrequentlyForwarded", "`true`: forwarded often", "`context.forwarded`"),
    FormField("OptOutType", "`STOP`, `START`, `HELP`: what Twilio took it for", "`body`"),
    FormField("Label", "what the place is called", "`context.location`, `body`"),
    FormField("Address", "the address of the place", "`context.location`, `body`"),
    FormField("Latitude", "where the place is", "`context.location`, `body`"),
    FormField("Longitude", "where the place is", "`context.location`, `body`"),
    FormField("ReferralSourceId", "the id of the ad", "`context.referral`"),
    FormField("ReferralSourceType", "`ad` or `post`", "`context.referral`, `body`"),
    FormField("ReferralSourceUrl", "where the ad leads", "`context.referral`"),
    FormField("ReferralHeadline", "the headline of the ad", "`context.referral`, `body`"),
    FormField("ReferralBody", "the text of the ad", "as `ReferralHeadline`, if that is empty"),
    FormField("ReferralCtwaClid", "the id of the click", "`context.referral`"),
    FormField("ReferralNumMedia", "files of the ad; 0 on ordinary messages"),
    FormField("ReferralMediaId", "a file of the ad"),
    FormField("ReferralMediaUrl", "a file of the ad"),
    FormField("ReferralMediaContentType", "a file of the ad"),
    FormField("OriginalRepliedMessageSender", "who sent the message that it answers"),
    FormField("ButtonType", "`REPLY` or `ACTION`"),
    FormField("ListDescription", "more about the item that was chosen"),
    FormField("ChannelMetadata", "what the channel told Twilio, as JSON"),
    FormField("MessagingServiceSid", "the messaging service of our address"),
    FormField("SmsSid", "the same as `MessageSid`"),
    FormField("SmsMessageSid", "the same as `MessageSid`"),
    FormField("NumSegments", "how many SMS it was"),
    FormField("AddOns", "what Twilio's add-ons found, as JSON"),
    FormField("FromCity", "where the number is from"),
    FormField("FromState", "where the number is from"),
    FormField("FromZip", "where the number is from"),
    FormField("FromCountry", "where the number is from"),
    FormField("ToCity", "where our number is from"),
    FormField("ToState", "where our number is from"),
    FormField("ToZip", "where our number is from"),
    FormField("ToCountry", "where our number is from"),
    FormField("ApiVersion", "the version of Twilio's API"),
)
"""The fields of a contact's message."""

STATUS_FIELDS = (
    FormField("AccountSid", "the account at Twilio", "picks the secrets of the signature"),
    FormField("MessageSid", "the id of the message", "`provider_message_id`"),
    FormField("SmsSid", "the same", "`provider_message_id`, if `MessageSid` is empty"),
    FormField("MessageStatus", "the status", "`status`; whether the form is a callback"),
    FormField("SmsStatus", "the same", "`status`; whether the form is a callback"),
    FormField("ErrorCode", "why it failed", "`error_code`"),
    FormField("From", "our address", "finds the channel"),
    FormField("To", "the contact's address", "`conversation_id`"),
    FormField("ErrorMessage", "`ErrorCode` in words"),
    FormField("EventType", "the channel's word for the status"),
    FormField("ChannelPrefix", "the channel"),
    FormField("ChannelToAddress", "the contact's address, partly hidden"),
    FormField("ChannelInstallSid", "the sender on the channel"),
    FormField("ChannelStatusCode", "the channel's code of an error"),
    FormField("ChannelStatusMessage", "the channel's words about an error"),
    FormField("RawDlrDoneDate", "the carrier's time of delivery"),
    FormField("MessagingServiceSid", "the messaging service that chose our address"),
    FormField("ApiVersion", "the version of Twilio's API"),
)
"""The fields of a status callback."""
