"""Who judges a stream by its events alone: the platform's rules, what public detectors count, and the order of things.

Nothing here knows how events are made. Each judge is fed the published events one by one, in order.
"""
