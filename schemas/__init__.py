"""What crosses a boundary, versioned: topics, messages, tables, channels and the closed set of reasons.

Invariant: everything a neighbour may rely on is declared here once; it imports no other room, and Spark only
inside functions.
"""
