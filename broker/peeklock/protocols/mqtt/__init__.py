"""MQTT 3.1.1 (OASIS Standard, 29 October 2014) and 5.0 (7 March 2019), sans-IO, both ends."""
