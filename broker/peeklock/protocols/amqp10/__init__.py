"""AMQP 1.0 (OASIS Standard, 29 October 2012), parts 1, 2, 3 and 5."""
