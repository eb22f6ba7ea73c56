"""The methods that every request and reply of a client goes through, and whether one of them is replaced.

Users and tests put their own methods in the place of a client's: in subclasses, on classes that exist
already, and on instances.  That works since each of these methods calls the next by its name.  Where all of
them are the client's own, it can do in one method what they do together.
"""

from __future__ import absolute_import, division, print_function

from katcp import handlers

# What a request goes through on its way to the connection, and a reply on its way to its callback.
_SENDING = ("future_request", "callback_request", "send_request", "send_message", "_next_id")
_RECEIVING = ("handle_message", "handle_reply")


def steps_of(cls):
    """Return two lists: the methods of a class that requests go through, and those that replies do."""
    return [[getattr(cls, name) for name in names] for names in (_SENDING, _RECEIVING)]


class Steps(object):
    """The part of an :class:`~katcp.client.AsyncClient` that knows whether its steps are its own.

    What instances have in the place of a method is to be looked for in their ``__dict__`` each time.  What
    classes have is known as long as ``_steps_seen_at`` is `katcp.handlers.latest_change`; otherwise
    `_look_at_class` finds it out.
    """

    # The class that defines the steps, and what `steps_of` returned for it then.
    _steps_class = None
    _original_steps = None

    def __init__(self, *args, **kwargs):
        # Not on the class, which would make them slow to look up.
        self._steps_seen_at = None
        # Whether the class of the client leaves the steps as they are.
        self._keeps_sending = self._keeps_receiving = False
        super(Steps, self).__init__(*args, **kwargs)

    def _look_at_class(self):
        """Find out whether the class of this client leaves the steps as they are."""
        cls = type(self)
        seen_at = handlers.latest_change
        original_sending, original_receiving = self._original_steps
        sending, receiving = steps_of(cls)
        self._keeps_sending = sending == original_sending
        self._keeps_receiving = receiving == original_receiving
        # Bases of other kinds do not tell when they are changed, and have to be looked at each time.
        known = self._steps_class.__mro__
        if not all(isinstance(base, handlers.DeviceMetaclass) or base in known for base in cls.__mro__):
            seen_at = None
        self._steps_seen_at = seen_at

    @classmethod
    def _defines_steps(cls):
        """Declare that the steps are those of this class."""
        cls._steps_class = cls
        cls._original_steps = steps_of(cls)
