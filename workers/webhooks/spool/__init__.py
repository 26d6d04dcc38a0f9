"""Keeps webhooks on this worker's disk while Kafka takes none.

A slot is a directory that one process locks (`slot`). Its segments are files of records
(`segment`). A frame is the format of one record in a file (`frames`); the record itself is a
webhook in JSON (`workers/webhooks/webhook.py`).
"""
