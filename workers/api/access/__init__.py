"""Who may ask: tokens, cookies, trusted proxies, users of the account, and how often."""
