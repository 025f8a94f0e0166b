"""What is due in a stream by a given moment. Pure: spec, seed, progress and clock readings in; due events and waits out."""
