"""Clients that we did not write, against a real broker.

They are optional, and their tests skip without them. To have them, as CI does:

    .venv/bin/python -m pip install python-qpid-proton    # compiles for half a minute
    .venv/bin/python -m pip install cloudevents protobuf fastavro  # CloudEvents and its formats
    (cd tests/interop/node && npm ci)                     # rhea, Service Bus, mqtt-packet …
"""
