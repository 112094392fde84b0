"""`serve`: run a broker."""

import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from peeklock.server.bad_config import BadConfig
from peeklock.server.config import load
from peeklock.server.ending import EXIT_USAGE, tell_mistakes
from peeklock.server.main import serve as serve_forever
from peeklock_client.cli.session import AsJson, tell


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file; has every option, and users and queues. Or the Config.json of"
            " Azure's Service Bus emulator.",
            envvar="PEEKLOCK_CONFIG",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where messages are kept; default ~/.local/state/peeklock/data.",
        ),
    ] = None,
    ephemeral: Annotated[
        bool | None,
        typer.Option("--ephemeral", help="Keep nothing on disk; no --data-dir then."),
    ] = None,
    amqp: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Default 127.0.0.1:5672; port 0: any free one."),
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help='MQTT 3.1.1 and 5.0; default 127.0.0.1:1883 if that is free; "off": none.',
        ),
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Administration over HTTP, and HTTPS with a certificate; default "
            '127.0.0.1:8180 if that is free; "off": none.',
        ),
    ] = None,
    dev: Annotated[
        bool | None,
        typer.Option(
            "--dev", help="Anybody may do anything, unknown queues are made; loopback only."
        ),
    ] = None,
    emulator: Annotated[
        bool | None,
        typer.Option(
            "--emulator",
            help="Instead of Azure's Service Bus emulator: anybody may do anything, on any"
            " address; for tests. HTTP is on port 5300.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="Certificate chain (PEM); AMQP and MQTT are then TLS only."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Authorities (PEM): a client whose certificate they signed and whose common"
            " name is a user's logs in with SASL EXTERNAL."
        ),
    ] = None,
    http_tls_cert: Annotated[
        Path | None,
        typer.Option(help="Another certificate for HTTPS, or one for HTTPS alone (PEM)."),
    ] = None,
    http_tls_key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, text or json.")] = None,
    hash_password: Annotated[
        bool,
        typer.Option("--hash-password", help="Ask for a password, print its hash, and end."),
    ] = False,
    scram_verifier: Annotated[
        bool,
        typer.Option(
            "--scram-verifier",
            help="Ask for a password, print what SCRAM-SHA-256 needs of it, and end; with"
            " --hash-password both.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a broker in the foreground until SIGTERM or Ctrl-C.

    When it takes connections it prints one line on stdout: `peeklock ready amqp=HOST:PORT
    mqtt=HOST:PORT http=HOST:PORT`, or with --json a document of that; its log on stderr is
    JSON, too, then.
    Without --dev it makes credentials on its first start, which the other commands find by
    themselves on this machine. Options are also read from PEEKLOCK_… in the environment, such
    as PEEKLOCK_DATA_DIR, and from the TOML file; the command line wins, then the environment.

    Examples:

    \b
      peeklock serve --dev
      peeklock serve --data-dir /var/lib/peeklock --config /etc/peeklock.toml
      kill -USR1 PID    # prints the state of all queues as JSON on stderr
    """
    if hash_password or scram_verifier:
        told = keys_of(ask_password(), hashed=hash_password, verifier=scram_verifier)
        tell("\n".join(told.values()), told, as_json=as_json)
        return
    given = {
        "data_dir": data_dir,
        "ephemeral": ephemeral,
        "amqp": amqp,
        "mqtt": mqtt,
        "http": http,
        "dev": dev,
        "emulator": emulator,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "tls_client_ca": tls_client_ca,
        "http_tls_cert": http_tls_cert,
        "http_tls_key": http_tls_key,
        "log_level": log_level,
        "log_format": log_format or ("json" if as_json else None),
    }
    try:
        settings = load(given, config)
    except BadConfig as error:
        tell_mistakes(error)
        raise typer.Exit(EXIT_USAGE) from None
    raise typer.Exit(serve_forever(settings, ready_as_json=as_json))


def keys_of(password: str, *, hashed: bool, verifier: bool) -> dict[str, str]:
    """What a user in the configuration has of a password, by setting."""
    from peeklock.limits import SCRAM_ITERATIONS
    from peeklock.security.passwords import hash_password
    from peeklock.security.scram import SALT_BYTES, make_verifier

    found: dict[str, str] = {}
    if hashed:
        found["password_hash"] = hash_password(password)
    if verifier:
        try:
            salt = secrets.token_bytes(SALT_BYTES)
            found["scram_verifier"] = str(make_verifier(password, salt, SCRAM_ITERATIONS))
        except ValueError as error:
            print(f"peeklock: SCRAM cannot take this password: {error}", file=sys.stderr)
            raise typer.Exit(EXIT_USAGE) from None
    return found


def ask_password() -> str:
    """Twice, at a terminal; else the first line of stdin."""
    if sys.stdin.isatty():
        asked: str = typer.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
        return asked
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        print("peeklock: the password on stdin is empty", file=sys.stderr)
        raise typer.Exit(EXIT_USAGE)
    return given


def register(app: typer.Typer) -> None:
    app.command()(serve)
