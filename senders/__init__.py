"""The downstream side: the consuming library and a reference sender."""
