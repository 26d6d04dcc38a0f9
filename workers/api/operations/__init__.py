"""What the API does, one module for each subject. `workers.api.table` lists all operations."""
