"""Fakes that several tests share. Each behaves like the real thing as far as its users can tell."""
