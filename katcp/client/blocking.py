"""Clients for programs that run their own threads, and a shorthand for requests that must not fail."""

from __future__ import absolute_import, division, print_function

from katcp.client.async_client import AsyncClient
from katcp.client.device_client import log
from katcp.compat import lossy_str
from katcp.message import Message


def _text(msg):
    # Whole, unlike in logs, but arguments may be binary.
    return lossy_str(msg.__bytes__())


def request_check(client, exception, *msg_parms, **kwargs):
    """Send a request with `blocking_request` and raise an exception unless the reply is ``ok``.

    Parameters
    ----------
    client : BlockingClient
        Or anything else with ``blocking_request`` and ``bind_address_string``.
    exception : Exception class
        Called with the text of the error.
    *msg_parms
        Name and arguments of the request.
    timeout : float, optional
        Keyword: seconds, in place of the client's timeout.
    mid : int, str or bytes, optional
        Keyword: message id of the request.

    Returns
    -------
    reply : Message
    informs : list of Message

    Examples
    --------
    >>> from functools import partial
    >>> check = partial(request_check, client, RuntimeError)  # doctest: +SKIP
    >>> reply, informs = check("sensor-value", "temperature")  # doctest: +SKIP
    """
    request = Message.request(*msg_parms, mid=kwargs.get("mid"))
    timeout = kwargs.get("timeout")
    if timeout is None:
        reply, informs = client.blocking_request(request)
    else:
        reply, informs = client.blocking_request(request, timeout=timeout)
    if not reply.reply_ok():
        raise exception('Unexpected failure reply "{}"\n with device at {}, request \n"{}"'.format(
            _text(reply), client.bind_address_string, _text(request)))
    return reply, informs


class CallbackClient(AsyncClient):
    """An `AsyncClient` whose requests may be made in any thread.

    By default it runs in a thread of its own; callbacks and handlers run there.  Parameters are those of
    `AsyncClient`.
    """

    def __init__(self, host, port, tb_limit=20, timeout=5.0, logger=log, auto_reconnect=True):
        # By name: subclasses need not have it first in their method resolution order.
        super(CallbackClient, self).__init__(host, port, tb_limit=tb_limit, timeout=timeout, logger=logger,
                                             auto_reconnect=auto_reconnect)
        self.enable_thread_safety()

    def setDaemon(self, daemonic):
        """Whether the client's own thread is a daemon; for the next start.

        Parameters
        ----------
        daemonic : bool
            If False, which is the default, Python does not exit before the client is stopped.
        """
        self._ioloop_manager.setDaemon(daemonic)


class BlockingClient(CallbackClient):
    """A `CallbackClient`, by the name of what it is mostly used for: `blocking_request`.

    Examples
    --------
    ::

        client = BlockingClient("localhost", 5000)
        client.start(timeout=1)
        client.wait_protocol(timeout=5)
        reply, informs = client.blocking_request(Message.request("help"))
        client.stop()
        client.join()
    """
