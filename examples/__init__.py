"""Example data and campaigns: what the demo, the tests and a newcomer start from. Nobody in here exists."""
