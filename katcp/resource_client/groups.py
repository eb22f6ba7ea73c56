"""Several devices of a kind, of which the same is asked."""

from __future__ import absolute_import, division, print_function

import math

from tornado import gen

from katcp import compat
from katcp.attrdict import AttrDict
from katcp.linked_futures import wait_loop
from katcp.resource_client import tracked_items
from katcp.resource_client.client_resource import new_dummy_request
from katcp.resource_client.futures import eager_coroutine, wait_coroutine
from katcp.waiting import until_some


class GroupResults(dict):
    """The replies of the clients of a group: a dict from their names to `KATCPReply`.

    It is true if all have succeeded.  None stands for clients that do not have the request.
    """

    def __bool__(self):
        return self.succeeded

    __nonzero__ = __bool__

    @property
    def succeeded(self):
        """Whether the requests to all clients have succeeded."""
        return all(dict.values(self))


class GroupWaitResults(dict):
    """Which clients of a group have got what was waited for: a dict from their names to bool.

    It is true if they make a quorum.
    """

    _quorum = 0

    def __bool__(self):
        return sum(dict.values(self)) >= self._quorum

    __nonzero__ = __bool__


@wait_coroutine
def _until_all(futures):
    """Return a future of the list of the results of some futures, which are all waited for at once."""
    done = yield until_some(*futures)
    results = dict(done)
    raise gen.Return([results[index] for index in range(len(futures))])


class GroupRequest(object):
    """Callable wrapper around the requests of one name of all clients of a group.

    Parameters
    ----------
    group : ClientGroup
    name : str
        Python identifier of the request.
    description : str
    """

    def __init__(self, group, name, description):
        self.group = group
        self.name = name
        self.description = description
        self.__doc__ = "\n".join([
            "KATCP Documentation", "===================", description,
            "GroupRequest Documentation", "==========================", type(self).__doc__ or ""])

    @eager_coroutine
    def __call__(self, *args, **kwargs):
        """Make the request of all clients that have it, at once.

        Parameters
        ----------
        *args, **kwargs
            As of `KATCPClientResourceRequest.issue_request`.

        Returns
        -------
        future
            Resolves with `GroupResults` when all have replied.  Fails with KATCPResourceInactive if one of
            the clients is not active; those before it in the group have got the request then.
        """
        names, answers = [], []
        results = GroupResults()
        for client in self.group.clients:
            results[client.name] = None
            request = _request_of(client, self.name)
            if request is not None:
                names.append(client.name)
                answers.append(compat.as_future(request(*args, **kwargs)))
        results.update(zip(names, (yield _until_all(answers))))
        raise gen.Return(results)


@wait_coroutine
def _first_results(waits, quorum):
    """Return a future of a list: whether each of some waits has succeeded when a quorum of them is done.

    Those that are not done by then end, because nobody has them any more.
    """
    if quorum > 0:
        yield until_some(*waits, done_at_least=quorum)
    raise gen.Return([wait.done() and bool(wait.result()) for wait in waits])


def _request_of(client, name):
    try:
        # Not an attribute, which might be a method of dict.
        return client.req[name]
    except KeyError:
        return None


class ClientGroup(object):
    """Several clients of the same kind of device, as one.

    It can be iterated over, indexed, and has a length.

    Parameters
    ----------
    name : str
    clients : iterable of KATCPClientResource

    Attributes
    ----------
    name : str
    clients : tuple of KATCPClientResource

    Examples
    --------
    ::

        group = ClientGroup("lamps", [client_1, client_2])
        results = yield group.req.switch_on()
        if not results:
            print([name for name, reply in results.items() if not reply])
    """

    def __init__(self, name, clients):
        self.name = name
        self.clients = tuple(clients)
        self._clients_dirty = True
        self._req = None
        # What `_req` was made from: the requests of the clients; the clients, and the latest change of items
        # anywhere, or None if that does not tell.
        self._known_requests = None
        self._known_at = None, None

    def __iter__(self):
        return iter(self.clients)

    def __getitem__(self, index):
        return self.clients[index]

    def __len__(self):
        return len(self.clients)

    def client_updated(self, client):
        """Take note that the requests of a client have changed.

        Raises
        ------
        AssertionError
            If it does not belong to the group.
        """
        if client not in self.clients:
            raise AssertionError("{0!r} does not belong to group {1}".format(client, self.name))
        self._clients_dirty = True

    def replace_client(self, client, replacement):
        """Put another client in the place of one; None for none."""
        clients = [replacement if known is client else known for known in self.clients]
        self.clients = tuple(known for known in clients if known is not None)

    @property
    def req(self):
        """The requests that any of the clients has: an AttrDict from Python identifiers to `GroupRequest`.

        It is the same object until the requests of a client change.
        """
        clients, latest = self.clients, tracked_items.latest_change
        known_clients, known_at = self._known_at
        if known_at is latest and known_clients is clients and not self._clients_dirty:
            return self._req
        # Groups need not belong to a container that tells them of changes.
        is_dirty, self._clients_dirty = self._clients_dirty, False
        each = [client.req for client in clients]
        known_requests = [list(dict.items(requests)) for requests in each]
        if is_dirty or known_requests != self._known_requests:
            self._known_requests = known_requests
            self._req = self._new_req()
        # Clients of other kinds may have plain dictionaries, which have to be looked at each time.
        if not all([isinstance(requests, tracked_items.TrackedItems) for requests in each]):
            latest = None
        self._known_at = clients, latest
        return self._req

    def _new_req(self):
        if any(getattr(client, "dummy_unknown_requests", False) for client in self.clients):
            req = tracked_items.MadeUpItems(self._new_dummy_request)
        else:
            req = AttrDict()
        for items in self._known_requests:
            for name, request in items:
                if name not in req:
                    req[name] = GroupRequest(self, name, request.description)
        return req

    def _new_dummy_request(self):
        return new_dummy_request(self._is_active)

    def _is_active(self):
        return all(client.is_active() for client in self.clients)

    def is_connected(self):
        """Return whether all clients are connected."""
        return all(client.is_connected() for client in self.clients)

    @eager_coroutine
    def set_sampling_strategies(self, filter, strategy_and_params):
        """Set the sampling strategies of all sensors that match, of all clients.

        Parameters
        ----------
        filter, strategy_and_params
            See `KATCPClientResource.set_sampling_strategies`.

        Returns
        -------
        future
            Resolves with a dict from the names of the clients to what that method resolves with.
        """
        results = yield _until_all([compat.as_future(client.set_sampling_strategies(
            filter, strategy_and_params)) for client in self.clients])
        raise gen.Return(dict(zip([client.name for client in self.clients], results)))

    @eager_coroutine
    def set_sampling_strategy(self, sensor_name, strategy_and_params):
        """Set the sampling strategy of one sensor of all clients.

        Parameters
        ----------
        sensor_name, strategy_and_params
            See `KATCPClientResource.set_sampling_strategy`.

        Returns
        -------
        future
            Resolves with a dict from the names of the clients to what that method resolves with.
        """
        results = yield _until_all([compat.as_future(client.set_sampling_strategy(
            sensor_name, strategy_and_params)) for client in self.clients])
        raise gen.Return(dict(zip([client.name for client in self.clients], results)))

    @wait_coroutine
    def wait(self, sensor_name, condition_or_value, timeout=5.0, quorum=None, max_grace_period=1.0):
        """Wait for a sensor of so many of the clients.

        Once enough of them have got there, the others have a period of grace to follow.

        Parameters
        ----------
        sensor_name : str
            KATCP name or Python identifier.
        condition_or_value : callable or object
            See `KATCPResource.wait`.
        timeout : float, optional
            Seconds for all of it; None and 0 mean for ever, until there is a quorum.
        quorum : int or float, optional
            How many clients are enough: an int, or a float from 0 to 1 for a part of them (1 is one client,
            1.0 all of them).  By default all.
        max_grace_period : float or None, optional
            Seconds of grace at most; it is no longer than half of `timeout`.  With 0 there is none, with
            None it lasts as long as the `timeout` allows for.

        Returns
        -------
        future
            Resolves with a dict from the names of the clients to bool, which is true if there is a quorum.
            Fails with the exception of a client's wait: KATCPSensorError if there is no such sensor, or no
            strategy set for it, and with TypeError if `quorum` makes no sense.
        """
        clients = self.clients
        quorum = self._number_of_clients(quorum)
        initial_timeout, grace_period = timeout, max_grace_period
        if timeout and max_grace_period:
            grace_period = min(max_grace_period, timeout / 2)
            initial_timeout = timeout - grace_period
        time = wait_loop(None).time if timeout else None
        deadline = time() + timeout if timeout else None
        so_far = yield _first_results(
            [compat.as_future(client.wait(sensor_name, condition_or_value, initial_timeout))
             for client in clients], quorum)
        results = GroupWaitResults(zip([client.name for client in clients], so_far))
        results._quorum = quorum
        stragglers = [client for client in clients if not results[client.name]]
        if grace_period is None and deadline is not None:
            grace_period = deadline - time()
        if stragglers and (grace_period is None or grace_period > 0):
            late = yield _until_all([
                compat.as_future(client.wait(sensor_name, condition_or_value, grace_period))
                for client in stragglers])
            results.update(zip([client.name for client in stragglers], late))
        raise gen.Return(results)

    def _number_of_clients(self, quorum):
        if quorum is None:
            return len(self.clients)
        if quorum > 1:
            if not isinstance(quorum, compat.integer_types):
                raise TypeError("Quorum parameter {0} must be an integer if outside range [0, 1]".format(
                    quorum))
        elif isinstance(quorum, float):
            return int(math.ceil(quorum * len(self.clients)))
        return quorum
