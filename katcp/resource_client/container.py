"""Several devices under one roof: `KATCPClientResourceContainer`."""

from __future__ import absolute_import, division, print_function

import logging

from tornado import gen
from tornado.ioloop import IOLoop

from katcp import compat
from katcp.attrdict import AttrDict
from katcp.linked_futures import wait_loop
from katcp.log_records import record_text
from katcp.resource_base import KATCPResource
from katcp.resource_client.client_resource import KATCPClientResource
from katcp.resource_client.container_items import ContainerItems
from katcp.resource_client.container_sensors import ContainerSensors
from katcp.resource_client.exposure import identifier_of
from katcp.resource_client.futures import transform_future, wait_coroutine
from katcp.resource_client.groups import ClientGroup
from katcp.resource_client.tracked_items import TrackedAttrDict
from katcp.resource_names import escape_name
from katcp.waiting import AsyncEvent, future_timeout_manager, until_any, until_some

log = logging.getLogger("katcp.resource_client")


class ChildFutures(dict):
    """A dict of futures that can be yielded, as any such dict, and on Python 3 awaited as well.

    Either way that gives a dict of the results.
    """

    def __await__(self):
        return gen.multi(dict(self), quiet_exceptions=gen.TimeoutError).__await__()


class KATCPClientResourceContainer(ContainerItems, ContainerSensors, KATCPResource):
    """Several devices that are controlled over KATCP, and groups of them.

    Parameters
    ----------
    resources_spec : dict
        ``name``
            str, required.
        ``description``
            str.
        ``clients``
            Dict from the name of a device to what `KATCPClientResource` takes, but for the name; required.
        ``groups``
            Dict from the name of a group to a list of names of its devices.
    logger : logging.Logger, optional

    Attributes
    ----------
    ioloop : tornado.ioloop.IOLoop
        The loop that everything happens in.

    Notes
    -----
    Requests and sensors of the children are those of the container as well: sensor ``wind.speed`` of the
    device ``mast-1`` is ``container.sensor.mast_1_wind_speed``.  Those whose names begin with ``agg_`` go
    without the name of the device; if several children have the same, the last one in the alphabet counts.

    Examples
    --------
    ::

        container = KATCPClientResourceContainer(dict(
            name="telescope",
            clients={
                "mast-1": dict(address=("localhost", 5001), controlled=True),
                "mast-2": dict(address=("localhost", 5002), controlled=True),
            },
            groups={"masts": ["mast-1", "mast-2"]}))
        container.start()
        yield container.until_synced()
        yield container.set_sampling_strategies("wind", "event-rate 1 10")
        results = yield container.groups.masts.req.reset()
    """

    def __init__(self, resources_spec, logger=log):
        # Groups may be added; that is nothing to whoever has given the dictionary.
        self._resources_spec = dict(resources_spec)
        self._resources_spec["groups"] = dict(resources_spec.get("groups") or {})
        self._name = resources_spec["name"]
        self._description = resources_spec.get("description", "")
        self._logger = logger
        self._ioloop_set_to = None
        self.ioloop = compat.current_ioloop()
        self._children = TrackedAttrDict()
        self._groups = AttrDict()
        # Set when a child comes or goes; then there is another one for the next time.
        self._children_changed = AsyncEvent()
        super(KATCPClientResourceContainer, self).__init__()
        self._init_resources()
        self._init_groups()

    def __repr__(self):
        cls = type(self)
        return "<{0}.{1}(name={2}) at 0x{3:x}>".format(cls.__module__, cls.__name__, self.name, id(self))

    # --- what it is ------------------------------------------------------------------------------

    @property
    def name(self):
        """Name of the container."""
        return self._name

    @property
    def description(self):
        """Description of the container."""
        return self._description

    @property
    def address(self):
        """None: there is no device for all of it."""
        return None

    @property
    def parent(self):
        """None."""
        return None

    @property
    def children(self):
        """The devices: an AttrDict from Python identifiers to `KATCPClientResource`."""
        return self._children

    @property
    def groups(self):
        """The groups: an AttrDict from Python identifiers to `ClientGroup`."""
        return self._groups

    # --- children and groups ---------------------------------------------------------------------

    def _init_resources(self):
        """Make the children."""
        for name, spec in sorted(self._resources_spec["clients"].items()):
            self._keep("client", self._children, name, self._new_child(name, spec))

    def _keep(self, kind, items, name, item):
        """Keep a child or a group under the identifier of its name."""
        identifier = escape_name(name)
        known = dict.get(items, identifier)
        if known is not None and known.name != name:
            self._logger.warning(record_text("The %ss %s and %s of %s have the same identifier, %s: only "
                                             "%s is there", kind, known.name, name, self._name, identifier,
                                             name))
        items[identifier] = item

    def _new_child(self, name, spec):
        spec = dict(spec)
        spec["name"] = name
        return self.client_resource_factory(spec, parent=self, logger=self._logger)

    def client_resource_factory(self, res_spec, parent, logger):
        """Return a child; called by the constructor as well, for subclasses to override.

        Parameters
        ----------
        res_spec : dict
            As of `KATCPClientResource`.
        parent : KATCPClientResourceContainer
        logger : logging.Logger

        Returns
        -------
        KATCPClientResource
        """
        return KATCPClientResource(res_spec, parent=parent, logger=logger)

    def _init_groups(self):
        """Make the groups."""
        for name, client_names in sorted(self._resources_spec["groups"].items()):
            self._keep("group", self._groups, name, self._new_group(name, client_names))

    def _new_group(self, name, client_names):
        return ClientGroup(name, [self._children[identifier_of(client_name)] for client_name in client_names])

    def add_group(self, group_name, group_client_names):
        """Add a group; one of that name is replaced, the others stay as they are.

        Parameters
        ----------
        group_name : str
        group_client_names : sequence of str
            Names of children.

        Raises
        ------
        KeyError
            If there is no such child.  Nothing has changed then.
        """
        group = self._new_group(group_name, group_client_names)
        self._resources_spec["groups"][group_name] = list(group_client_names)
        self._keep("group", self._groups, group_name, group)

    def add_child_resource_client(self, res_name, res_spec):
        """Add a child and start it.

        Parameters
        ----------
        res_name : str
            If there is a child of that name already, that is stopped and replaced, in its groups as well.
        res_spec : dict
            As of `KATCPClientResource`, but for the name.

        Returns
        -------
        KATCPClientResource
        """
        child = self._new_child(res_name, res_spec)
        previous = dict.get(self._children, escape_name(res_name))
        self._keep("client", self._children, res_name, child)
        child.set_ioloop(self._loop_to_use())
        self._note_other_children()
        if previous is not None:
            self._let_go(previous, child)
        child.start()
        return child

    def remove_child_resource_client(self, res_name):
        """Stop a child and remove it, from its groups as well.

        Parameters
        ----------
        res_name : str
            Its name.

        Returns
        -------
        KATCPClientResource
            The child, for whoever wants to wait until it has stopped.

        Raises
        ------
        KeyError
            If there is no such child.
        """
        child = self._children.pop(identifier_of(res_name))
        self._note_other_children()
        self._let_go(child, None)
        return child

    def _note_other_children(self):
        # Who waits for the children looks again at once: before one that has gone is stopped.
        self._mark_dirty("req", "sensor")
        changed, self._children_changed = self._children_changed, AsyncEvent()
        changed.set()

    def _let_go(self, child, replacement):
        self._former_children.add(child)
        child.stop()
        for group in dict.values(self._groups):
            if child in group.clients:
                group.replace_client(child, replacement)

    # --- life ------------------------------------------------------------------------------------

    def set_ioloop(self, ioloop=None):
        """Set the loop to use, before the start.

        Parameters
        ----------
        ioloop : tornado.ioloop.IOLoop, optional
            By default the current one.
        """
        self._ioloop_set_to = self.ioloop = ioloop or IOLoop.current()
        for child in list(dict.values(self._children)):
            child.set_ioloop(self.ioloop)

    def _loop_to_use(self):
        # Unless told otherwise that which runs now: containers are made before, say, `asyncio.run`.
        return self._ioloop_set_to or compat.running_ioloop() or self.ioloop or IOLoop.current()

    def start(self):
        """Start all children; see `KATCPClientResource.start`."""
        self.ioloop = self._loop_to_use()
        for child in list(dict.values(self._children)):
            child.set_ioloop(self.ioloop)
            child.start()

    def stop(self):
        """Stop all children; see `KATCPClientResource.stop`."""
        for name, child in sorted(dict.items(self._children)):
            try:
                child.stop()
            except Exception:
                self._logger.exception(record_text("Exception stopping child %r", name))

    def until_stopped(self, timeout=None):
        """Wait until all children have stopped, after a `stop`; for the thread of the loop.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        dict
            Python identifiers of the children to futures that resolve with True.  The dict as such can be
            yielded or, on Python 3, awaited.
        """
        return ChildFutures((name, child.until_stopped(timeout))
                            for name, child in dict.items(self._children))

    # --- state -----------------------------------------------------------------------------------

    def is_connected(self):
        """Return whether all children are connected."""
        return all([child.is_connected() for child in dict.values(self._children)])

    @wait_coroutine
    def until_synced(self, timeout=None):
        """Wait until all children are synced, at the same time.

        This, like the other waits here, is about the children there are, not those there were when it began.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with None; is done already if all are synced.  Fails with ``tornado.gen.TimeoutError``
            when the time is up.
        """
        time = wait_loop(self._ioloop_set_to).time if timeout else None
        deadline = time() + timeout if timeout else None
        while True:
            synced = [child.until_synced(timeout) for child in dict.values(self._children)]
            if all([future.done() for future in synced]):
                yield until_some(*synced)
                return
            yield until_any(until_some(*synced), self._children_changed.until_set())
            # Those that were synced first may not be any more.
            if timeout:
                timeout = max(deadline - time(), 0.001)

    def until_not_synced(self, timeout=None):
        """Wait until any child is not synced.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with None; is done already if there is one.  Fails with ``tornado.gen.TimeoutError``
            when the time is up.
        """
        return transform_future(
            _nothing, self._until_any_child(lambda child: child.until_not_synced(), timeout))

    def until_any_child_in_state(self, state, timeout=None):
        """Wait until any child is in a state.

        Parameters
        ----------
        state : str
            See `KATCPClientResource.state`.
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with True.  Fails with ``tornado.gen.TimeoutError`` when the time is up.

        Raises
        ------
        ValueError
            At once, if there is no such state.
        """
        return self._until_any_child(lambda child: child.until_state(state), timeout)

    def _until_any_child(self, wait_for, timeout):
        """Return a future of the first result of ``wait_for(child)``, whatever children come and go."""
        waits = self._wait_for_each(wait_for)
        if any([wait.done() for wait in waits]):
            return until_any(*waits)
        return self._until_first(waits, wait_for, timeout)

    def _wait_for_each(self, wait_for):
        return [wait_for(child) for child in dict.values(self._children)]

    @wait_coroutine
    def _until_first(self, waits, wait_for, timeout):
        in_time = future_timeout_manager(timeout, self._ioloop_set_to)
        while True:
            changed = self._children_changed.until_set()
            result = yield in_time(until_any(*(waits + [changed])))
            if not changed.done():
                raise gen.Return(result)
            waits = self._wait_for_each(wait_for)

    @wait_coroutine
    def until_all_children_in_state(self, state, timeout=None):
        """Wait until every child has been in a state, not necessarily at the same time.

        Parameters
        ----------
        state : str
            See `KATCPClientResource.state`.
        timeout : float, optional
            Seconds; None and 0 mean for ever.

        Returns
        -------
        future
            Resolves with None.  Fails with ``tornado.gen.TimeoutError`` when the time is up, with
            ValueError if there is no such state.
        """
        in_time = None
        waits = {}
        while True:
            # Those that have been in that state need not be once more.
            waits = dict((child, waits.get(child) or child.until_state(state))
                         for child in dict.values(self._children))
            if all([wait.done() for wait in waits.values()]):
                yield until_some(*waits.values())
                return
            in_time = in_time or future_timeout_manager(timeout, self._ioloop_set_to)
            yield in_time(until_any(until_some(*waits.values()), self._children_changed.until_set()))

    def wait(self, sensor_name, condition_or_value, timeout=5):
        """Not available here: wait for a sensor of a child.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError("wait() is only available on the children of a container, and on groups")


def _nothing(result):
    return None
