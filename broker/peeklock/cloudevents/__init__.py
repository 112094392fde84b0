"""CloudEvents 1.0: the event, its formats, and its bindings to AMQP, MQTT and HTTP. Pure."""
