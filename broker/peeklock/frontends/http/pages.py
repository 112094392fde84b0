"""Which web pages of elsewhere may ask here: CORS (WHATWG Fetch §3.2)."""

from collections.abc import Sequence
from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from peeklock.frontends.http.routes_host import METHODS

LOCAL: Final = r"https?://(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?"


def pages_of(origins: Sequence[str], *, local: bool) -> list[Middleware]:
    """What answers pages of these origins, and of this machine if `local`; nothing for none.

    A page says who asks by an Authorization header of its own. What the browser would add by
    itself is not wanted (no credentials): it would say so for any page that is let in.
    """
    if not (origins or local):
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=[one.lower() for one in origins],
        allow_origin_regex=LOCAL if local else None,
        allow_methods=METHODS,
        allow_headers=["*"],
        expose_headers=["*"],
    )
    return [cors]
