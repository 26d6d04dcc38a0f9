-- name: history_page
-- The newest $4 changes of a conversation before the version $3, newest first, with the names of the
-- users who are still known. What was up to the version at which the conversation was last deleted is
-- left out, as in `restore_history`. One row without a change: there is none before. No row: there is no
-- such conversation.
SELECT h.version, h.type, h.at, h.actor_id, actor.name AS actor_name, h.reason, h.assignee_id,
       assignee.name AS assignee_name, h.entity_type, h.entity_id
FROM inbox.conversations AS c
LEFT JOIN inbox.tombstones AS t USING (account_id, conversation_id)
LEFT JOIN LATERAL (
    SELECT * FROM inbox.history AS older
    WHERE older.account_id = c.account_id AND older.conversation_id = c.conversation_id
      AND older.version < $3 AND older.version > coalesce(t.version, 0)
    ORDER BY older.version DESC
    LIMIT $4
) AS h ON true
LEFT JOIN inbox.users AS actor ON actor.account_id = c.account_id AND actor.user_id = h.actor_id
LEFT JOIN inbox.users AS assignee
    ON assignee.account_id = c.account_id AND assignee.user_id = h.assignee_id
WHERE c.account_id = $1 AND c.conversation_id = $2
ORDER BY h.version DESC
