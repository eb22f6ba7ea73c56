"""Requests of a resource: the client that wraps the replies, and the objects that one calls."""

from __future__ import absolute_import, division, print_function

import sys

from katcp import compat
from katcp.client import AsyncClient
from katcp.inspecting.client import InspectingClientAsync
from katcp.message import Message
from katcp.resource_client.futures import transform_future
from katcp.resource_request import KATCPReply, KATCPRequest


class ReplyWrappedInspectingClientAsync(InspectingClientAsync):
    """An inspecting client whose requests resolve with `KATCPReply`.

    Parameters
    ----------
    host, port, ioloop, initial_inspection, auto_reconnect, logger
        See `InspectingClientAsync`.
    """

    @staticmethod
    def reply_wrapper(x):
        """Return the result of a request; for subclasses to override.

        Parameters
        ----------
        x : tuple
            ``(reply, informs)``, a Message and a list of Messages.
        """
        return KATCPReply(*x)

    def wrapped_request(self, request, *args, **kwargs):
        """Send a request; for the thread of the loop.

        Parameters
        ----------
        request : str
            Its name.
        *args
            Its arguments, see `Message`.
        timeout : float, optional
            Seconds; by default the timeout of the low-level client.  With 0 there is hardly time to send it.
        mid : int or str, optional
            The message id; by default the next one.
        use_mid : bool, optional
            Whether to use a message id; by default if the device supports them.

        Returns
        -------
        future
            Resolves with a `KATCPReply`, also if the device refuses the request, cannot be reached or does
            not answer in time: the reply says so then.  Fails if the request makes no sense (for instance
            with KatcpSyntaxError), or if the client does not run.
        """
        try:
            msg = Message.request(request, *args, mid=kwargs.get("mid"))
            client = self.katcp_client
            # Others than ours may only have what there has always been.
            send = client.linked_request if isinstance(client, AsyncClient) else client.future_request
            answer = send(msg, kwargs.get("timeout"), kwargs.get("use_mid"))
        except Exception:
            return compat.failed_future(sys.exc_info())
        return transform_future(self.reply_wrapper, answer)


class KATCPClientResourceRequest(KATCPRequest):
    """Callable wrapper around a KATCP request of a device.

    Parameters
    ----------
    request_description : dict
        ``name`` (str), ``description`` (str) and ``timeout_hint`` (float seconds or None).
    client : ReplyWrappedInspectingClientAsync
        Anything with a method ``wrapped_request(name, *args, **kwargs)``.
    is_active : callable, optional
        Returns whether requests may be made now.
    """

    def __init__(self, request_description, client, is_active=lambda: True):
        super(KATCPClientResourceRequest, self).__init__(request_description, is_active)
        self._client = client

    def issue_request(self, *args, **kwargs):
        """Send the request, whether or not the resource is active.

        Parameters
        ----------
        *args
            Arguments of the request.
        timeout : float, optional
            Seconds; by default what the device recommends, or else the timeout of the client.
        mid, use_mid
            See `ReplyWrappedInspectingClientAsync.wrapped_request`.

        Returns
        -------
        future
            Resolves with a `KATCPReply`.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeout_hint
        return self._client.wrapped_request(self.name, *args, **kwargs)
