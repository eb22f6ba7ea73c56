"""The inspecting client: an `AsyncClient` that finds out which requests and sensors a device has.

================== =====================================================================================
room               holds
================== =====================================================================================
`backoff`          how long to wait before the next attempt
`states`           the states of a client, as a table
`inform_hooks`     the low-level client, with functions that are called on informs
`model`            what informs say about requests and sensors, and how that compares with what was known
`inspection`       asking the device
`lookup`           objects for requests and sensors, made when somebody asks for them
`updates`          sensor updates, from the inform to the sensor object
`bulk_sampling`    sampling strategies for many sensors in few requests
`state_loop`       keeping in step with the device
`client`           `InspectingClientAsync`, which is all of these
================== =====================================================================================

Users import from `katcp.inspecting_client`.
"""
