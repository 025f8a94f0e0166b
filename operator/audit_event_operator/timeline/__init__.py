"""What a stream has to say until a moment. Pure: spec, seed, progress and clock readings in; due events and waits out."""
