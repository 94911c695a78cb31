"""Drills: the real jobs die on purpose, and what a committed reader saw is compared with the plan, message by message.

Invariant: a drill counts only when its fault really happened. Everything here is outside of the jobs: nothing imports
this room.
"""
