"""The outbox: what is to be sent after the response, written in the transaction of its cause."""
