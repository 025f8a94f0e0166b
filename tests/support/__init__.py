"""What tests share: doubles (fakes in memory), parts (the real ones), faults (what judges a fault under a running operator).

And judges: what detectors see in a stream of events, and what makes it a story that can be true.
"""
