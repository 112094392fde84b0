"""Whose words a peer expects in errors: AMQP's, or Service Bus' where these are others.

A connection whose open (§2.7.1 properties) names one of Azure's SDKs hears Service Bus'
conditions, since the SDK knows its exceptions by them; and so does everybody who asks an
operation of Service Bus', by the operation's name. All others hear AMQP's own.
"""

from typing import Final

from peeklock.protocols.amqp10.terminus import AmqpMap

USER_AGENT: Final = "user-agent"
# In the user-agent of Azure's SDKs for .NET, Go, Java, JavaScript and Python; behind the
# application's own name where it has given one.
AZURE_SDK: Final = "azsdk-"
OPERATIONS: Final = "com.microsoft:"  # how the names of Service Bus' operations begin


def is_azure_sdk(properties: AmqpMap | None) -> bool:
    """Do the properties of a peer's open name one?"""
    agent = (properties or {}).get(USER_AGENT)
    return isinstance(agent, str) and AZURE_SDK in agent


def is_service_bus_operation(operation: str) -> bool:
    return operation.startswith(OPERATIONS)
