"""Tools for testing devices and the programs that talk to them."""
