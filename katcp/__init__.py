"""KATCP: devices and clients that speak the Karoo Array Telescope control protocol."""
