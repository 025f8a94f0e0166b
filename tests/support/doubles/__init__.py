"""Stand-ins that several tests share; each does by hand what the real one does, as far as its users can tell."""
