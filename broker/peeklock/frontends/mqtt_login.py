"""Who the client is, as logins: its CONNECT, and the AUTH packets that follow (5.0 §4.12)."""

from typing import Final, final

from peeklock.errors import Unauthorized
from peeklock.protocols.mqtt.connect import Connect
from peeklock.protocols.mqtt.connection import Connection
from peeklock.protocols.mqtt.packets import Auth
from peeklock.protocols.mqtt.properties import (
    AUTHENTICATION_DATA,
    AUTHENTICATION_METHOD,
    Properties,
)
from peeklock.protocols.mqtt.reason_codes import (
    BAD_AUTHENTICATION_METHOD,
    BAD_USER_NAME_OR_PASSWORD,
    CONTINUE_AUTHENTICATION,
    NOT_AUTHORIZED,
    REAUTHENTICATE,
)
from peeklock.security.authenticators import (
    TOKEN,
    Authenticator,
    Challenge,
    Login,
    Rejection,
)
from peeklock.security.principal import Principal
from peeklock.security.scram import SCRAM, Dialogue
from peeklock.security.tokens import looks_like_token

METHODS: Final = (SCRAM,)  # of enhanced authentication, by the names of SASL's mechanisms


@final
class Logins:
    """Of one connection, before its CONNACK and after."""

    def __init__(
        self, connection: Connection, authenticator: Authenticator, certificate_name: str
    ) -> None:
        self._connection: Final = connection
        self._authenticator: Final = authenticator
        self._certificate_name: Final = certificate_name
        self._method: str | None = None
        self._dialogue: Dialogue | None = None  # that the client is to go on with

    def of_connect(self, connect: Connect) -> Login | None:
        """None: it is refused, or asked for more."""
        method = connect.properties.text(AUTHENTICATION_METHOD)
        if method is None:
            login = self._without_method(connect)
            if login is None:
                what = "a user name and a password are needed"
                self._connection.refuse(NOT_AUTHORIZED, what)
            return login
        offered = self._methods()
        if method not in offered:  # [MQTT-4.12.0-1]
            named = ", ".join(offered) or "none"
            what = f"there is no authentication method {method!r}; offered: {named}"
            self._connection.refuse(BAD_AUTHENTICATION_METHOD, what)
            return None
        self._method = method
        return self._by_method(connect.properties)

    def of_auth(self, auth: Auth) -> Login | None:
        """None: more was asked for. That the method is the same, the connection has seen."""
        if auth.reason_code == REAUTHENTICATE:
            self._dialogue = None
        return self._by_method(auth.properties)

    def ask(self, challenge: Challenge) -> None:
        """The client is to answer by AUTH [MQTT-4.12.0-2]."""
        self._dialogue = challenge.dialogue
        self._connection.authenticate(CONTINUE_AUTHENTICATION, challenge.data)

    def refuse(self, rejection: Rejection) -> None:
        """By CONNACK [MQTT-4.12.0-4], or by DISCONNECT [MQTT-4.12.1-2]."""
        connection = self._connection
        if connection.is_open:
            connection.disconnect(NOT_AUTHORIZED, rejection.why)
        elif self._method is not None:
            connection.refuse(NOT_AUTHORIZED, rejection.why)
        else:
            connection.refuse(BAD_USER_NAME_OR_PASSWORD, rejection.why)

    def _methods(self) -> list[str]:
        offered = self._authenticator.mechanisms(self._certificate_name)
        methods = [one for one in METHODS if one in offered]
        return [*methods, TOKEN] if self._authenticator.takes_tokens else methods

    def _by_method(self, found: Properties) -> Login | None:
        """A client that says nothing at first is asked to begin."""
        method = self._method
        assert method is not None
        data = found.binary(AUTHENTICATION_DATA)
        if method == TOKEN:
            text = (data or b"").decode("utf-8", "replace")
            return Login(TOKEN, b"", token=text)
        if data is None and self._dialogue is None:
            self._connection.authenticate(CONTINUE_AUTHENTICATION)
            return None
        login = Login(method, data or b"", self._certificate_name, self._dialogue)
        self._dialogue = None
        return login

    def _without_method(self, connect: Connect) -> Login | None:
        """User name and password go as SASL PLAIN (RFC 4616), a client certificate as EXTERNAL.
        Where tokens are taken the password may be one, whatever the user name is.

        None: it says nothing, and that is not enough here.
        """
        authenticator = self._authenticator
        certificate_name = self._certificate_name
        user = connect.user_name
        password = connect.password or b""
        token = password.decode("utf-8", "replace") if authenticator.takes_tokens else ""
        if not looks_like_token(token):
            token = ""
        if user is not None or token:  # 5.0 allows a password alone (§3.1.2.9): of nobody
            response = b"\0" + (user or "").encode() + b"\0" + password
            return Login("PLAIN", response, certificate_name, token=token)
        if certificate_name and "EXTERNAL" in authenticator.mechanisms(certificate_name):
            return Login("EXTERNAL", b"", certificate_name)
        return None if authenticator.is_required else Login("ANONYMOUS", b"")


def renew(principal: Principal, proved: Principal) -> None:
    """Who is there has proved it anew, and has the claims of its new token; raises
    `Unauthorized` when it is somebody else by now."""
    if proved.name != principal.name:
        raise Unauthorized(
            f"this is a connection of {principal.name!r}, not of {proved.name!r}"
        )
    if principal.claims is not None and proved.claims is not None:
        principal.claims.replace_by(proved.claims)
