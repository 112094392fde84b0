"""The only impure package: asyncio, sockets, files, signals. Nobody imports it."""
