"""Who judges what events look like in each format: its schema, its list of fields, or its grammar.

Each judge returns what is wrong, a sentence each. None of them knows how events are written.
"""
