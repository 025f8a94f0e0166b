"""Scripted chains of events over the users and hosts of a stream, and what is told about them. Pure."""
