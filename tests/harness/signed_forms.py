"""Forms as Twilio sends them. Twilio published their signatures under the token `12345`."""

SMS = (
    b"ToCountry=US&ToState=CA&SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0"
    b"&ToCity=SAN+BRUNO&FromZip=&SmsSid=SM00000000000000000000000000000001&FromState=CA"
    b"&SmsStatus=received&FromCity=&Body=you+got+it%21+3&FromCountry=US&To=%2B16505552222"
    b"&ToZip=94030&NumSegments=1&ReferralNumMedia=0"
    b"&MessageSid=SM00000000000000000000000000000001"
    b"&AccountSid=AC00000000000000000000000000000000&From=%2B16505551111&ApiVersion=2010-04-01"
)
WHATSAPP = (
    b"SmsMessageSid=SM00000000000000000000000000000002&NumMedia=0"
    b"&ProfileName=Ana+M%C3%BCller+%F0%9F%91%8B&MessageType=text"
    b"&SmsSid=SM00000000000000000000000000000002&WaId=4915112345678&SmsStatus=received"
    b"&Body=Ol%C3%A1%2C+pre%C3%A7o%3F+%F0%9F%91%8D&To=whatsapp%3A%2B14155238886&NumSegments=1"
    b"&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000002"
    b"&AccountSid=AC00000000000000000000000000000000&From=whatsapp%3A%2B4915112345678"
    b"&ApiVersion=2010-04-01"
)
MESSENGER = (
    b"SmsMessageSid=SM00000000000000000000000000000005&NumMedia=0"
    b"&SmsSid=SM00000000000000000000000000000005&SmsStatus=received"
    b"&Body=is+this+still+available%3F&To=messenger%3A103800709108123&NumSegments=1"
    b"&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000005"
    b"&AccountSid=AC00000000000000000000000000000000&From=messenger%3A27456897512"
    b"&ApiVersion=2010-04-01"
)
STATUS_URL = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
STATUS = (
    b"EventType=READ&SmsSid=SM00000000000000000000000000000003&SmsStatus=read&MessageStatus=read"
    b"&ChannelToAddress=%2B4915112XXXXX&To=whatsapp%3A%2B4915112345678&ChannelPrefix=whatsapp"
    b"&MessageSid=SM00000000000000000000000000000003"
    b"&AccountSid=AC00000000000000000000000000000000&From=whatsapp%3A%2B14155238886"
    b"&ApiVersion=2010-04-01"
)
