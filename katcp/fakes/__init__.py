"""Devices that are not there, for testing the programs that control devices.

Nothing here opens a socket or starts a thread: the client at the bottom of an inspecting client, and so of
a resource, is replaced by one that calls Python functions instead of sending requests.  All above it is
what it always is.
"""
