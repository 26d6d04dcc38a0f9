-- The newest version that recorded a message of a conversation's contact: it tells who has not seen it yet.
-- A message may come late, and many replies may follow it, so the order of time does not find it. It is a
-- migration of its own for the reason of 0007.
-- readable_from: 3

CREATE INDEX messages_inbound ON inbox.messages (conversation_id, version)
    WHERE direction = 'inbound' AND NOT historical;
