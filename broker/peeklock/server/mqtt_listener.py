"""Listens for MQTT, where it is asked for or where nobody is in the way."""

import asyncio
from collections.abc import Callable

import structlog

from peeklock.server.bad_config import BadConfig
from peeklock.server.config import Config, mqtt_address, split_address
from peeklock.server.connection import SocketConnection
from peeklock.server.listening import reason_of
from peeklock.server.tls import server_context

log = structlog.get_logger()


async def listen_for_mqtt(
    config: Config, make_connection: Callable[[], SocketConnection]
) -> asyncio.Server | None:
    """TCP, or TLS on it [MQTT-4.2.0-1]. Where nobody said so, an address that is taken is no
    reason not to start."""
    where = mqtt_address(config)
    if where is None:
        return None
    host, port = split_address(where)
    context = server_context(config.tls_cert, config.tls_key, config.tls_client_ca)
    try:
        return await asyncio.get_running_loop().create_server(
            make_connection, host, port, ssl=context, backlog=1024
        )
    except OSError as error:
        if config.mqtt is None:
            log.warning("MQTT is not served", address=where, reason=reason_of(error))
            return None
        raise BadConfig(f"cannot listen on {where}: {reason_of(error)}") from None
