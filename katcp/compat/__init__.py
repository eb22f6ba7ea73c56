"""Every difference between Python 2 and 3, and between tornado 4.5, 5.1 and 6.

No other package of the library asks for a version.  Rooms: `versions`, `strings`, `language`, `latch`,
`futures`, `coroutine_exits`, `loops`, `next_turn` and, where there is asyncio, `tolerant_loop`.

The string helpers are public (:func:`ensure_native_str`, :func:`byte_chars`, :func:`is_bytes`,
:func:`is_text`).  Throughout the documentation *native string* means ``str``: a byte string on
Python 2, a text string on Python 3.
"""

from __future__ import absolute_import, division, print_function

from katcp.compat.versions import (  # noqa: F401
    ON_ASYNCIO, PY2, TORNADO_MAJOR)
from katcp.compat.strings import (  # noqa: F401
    byte_chars, decode_native, decode_native_ascii, encode_native, encode_utf8, ensure_native_str,
    integer_types, is_bytes, is_text, lossy_str, string_types, text_type)
from katcp.compat.language import (  # noqa: F401
    EXTRA_BINARY_METHODS, EXTRA_UNARY_METHODS, Mapping, MutableMapping, Sequence,
    abstract_property, accepts_keyword, get_args, get_thread_ident, is_recursion_error,
    ordered_dict, positional_arg_names, queue, reraise, throw_into, with_metaclass)
from katcp.compat.latch import Latch  # noqa: F401
from katcp.compat.futures import (  # noqa: F401
    AnyCancelledError, AnyTimeoutError, CANCELLED_ERRORS, ConcurrentFuture, DoneFuture,
    GenTimeoutError, LoopFuture, ThreadsafeFuture, TornadoFuture, add_loop_callback,
    add_threadsafe_callback, as_future, copy_outcome, coroutine, done_future, fail, failed_future,
    finished_copy, future_exc_info, is_awaitable, is_future, new_future, plain_future_factory,
    remove_done_callback, resolve, was_cancelled)
from katcp.compat.coroutine_exits import fail_coroutines, tell_of_cancellations  # noqa: F401
from katcp.compat.next_turn import next_turn_of  # noqa: F401
from katcp.compat.loops import (  # noqa: F401
    AsyncIOLoop, add_callback_if_open, allow_late_timers, asyncio_loop_of, cancel_pending_work,
    current_ioloop, ioloop_is_closed, ioloop_is_running, make_ioloop_current, new_ioloop,
    ready_to_run_again, running_ioloop, runs_in_this_thread)
