"""A building: its sensors say how things are, its people are sent where they are needed."""
