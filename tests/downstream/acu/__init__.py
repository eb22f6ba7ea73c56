"""Antenna control: a simulated control unit, and the programs that drive it."""
