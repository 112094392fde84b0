"""One front-end a protocol: wire events ⇄ engine verbs and effects."""
