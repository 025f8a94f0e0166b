"""What a user may ask for and what we answer: spec, schema, conditions and status. Pure; knows nothing of the rest."""
