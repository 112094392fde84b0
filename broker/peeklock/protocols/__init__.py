"""Wire protocols, sans-IO and symmetrical: the client uses the same code as the broker."""
