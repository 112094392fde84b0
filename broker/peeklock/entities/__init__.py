"""Pure state machines: a verb decides and returns facts, `apply` obeys them."""
