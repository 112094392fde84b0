"""Operations on entities, once, for all front-ends."""
