"""Where state lives: migrations, SQL by name, and load and save per table, each one a batch."""
