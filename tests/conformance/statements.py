"""The normative statements of the specification (Rev. 5.1, and Rev. 4 where that differs), in its order.

Each has a key: the number of the section, a dash, a word or two. Tests name the keys that they test
(`cases.covers`); the rows of ``docs/conformance.rst`` are named by the keys of departures.
"""

from __future__ import absolute_import, division, print_function

from collections import namedtuple

# What there is to say about a statement: the library does what it says, or something else, or it speaks to
# those who make a device or write its documents, and there is nothing that a library could do.
CONFORMS, DEPARTS, DEVICE = "conforms", "departs", "device"

Statement = namedtuple("Statement", "key verdict text")

STATEMENTS = [Statement(*fields) for fields in (
    # 1 Introduction
    ("1-required-requests", CONFORMS, "The required requests of table 1 are implemented."),
    ("1-required-informs", CONFORMS, "The required informs of table 2 are sent."),
    ("1-one-client-module", CONFORMS, "A device conforms to the multi-client or the single-client module."),
    ("1-deprecated-modules", CONFORMS, "Nobody relies on deprecated modules being present."),
    ("1.1-version", CONFORMS, "Devices of version 5 say at connect time that they are."),
    ("1.1-seconds", CONFORMS, "From version 5 on, timestamps and periods are in seconds."),
    ("1.1-utc", CONFORMS, "From version 5 on, timestamps are UTC."),

    # 2 Messaging protocol
    ("2-tcp", CONFORMS, "A device is accessible over TCP/IP."),
    ("2-lines", CONFORMS, "Each message is a line of text."),
    ("2-types", CONFORMS, "Requests begin with ?, replies with !, informs with #."),
    ("2-symmetric", CONFORMS, "Either party may send any type of message."),
    ("2-reply-from-device", CONFORMS, "A device replies to every request."),
    ("2-reply-from-client", DEPARTS, "A client replies to every request."),
    ("2-no-reply-to-informs", CONFORMS, "Informs need no reply."),
    ("2-no-unasked-replies", CONFORMS, "Replies are not sent except in response to a request."),
    ("2-reply-name", CONFORMS, "A reply has the name of its request, also if that is unknown."),
    ("2-return-code", DEPARTS, "The first parameter of a reply is always a return code."),
    ("2-ok", CONFORMS, "The return code ok, and no other, means success."),
    ("2-invalid", DEPARTS, "Recommended: malformed requests are answered by invalid."),
    ("2-fail", CONFORMS, "Recommended: valid requests that cannot be processed are answered by fail."),
    ("2-failure-text", DEPARTS, "The second parameter of a failure describes it."),
    ("2-bad-line-at-device", CONFORMS, "A device answers an unparsable message by a #log error."),
    ("2-reply-at-device", DEPARTS, "A device answers an unexpected reply by a #log error."),
    ("2-silent-client", CONFORMS, "A client sends nothing because of a bad message or unexpected reply."),
    ("2-client-logs", CONFORMS, "A client passes bad messages and unexpected replies on to a log."),
    ("2-unexpected-informs", CONFORMS, "Devices may ignore unexpected informs."),
    ("2-human-readable", DEPARTS, "Human-readable parameters are restricted to plain ASCII text."),

    # 2.1 Message grammar
    ("2.1-name", CONFORMS, "A name is a letter, followed by letters, digits and dashes."),
    ("2.1-id-zeros", DEPARTS, "An id does not begin with a zero."),
    ("2.1-whitespace", CONFORMS, "Any number of spaces and tabs separates arguments or ends a message."),
    ("2.1-line-end", CONFORMS, "A line feed or a carriage return ends a message."),
    ("2.1-escapes", CONFORMS, "There are eight escape codes, and no others."),
    ("2.1-specials", CONFORMS, "Special characters are never raw in arguments, but escaped."),
    ("2.1-plain", CONFORMS, "Any other byte may be in an argument."),
    ("2.1-empty-argument", CONFORMS, "The escape \\@ is an empty argument."),
    ("2.1-empty-escape", CONFORMS, "Parsers handle the escape \\@ wherever it appears."),
    ("2.1-empty-escape-sent", CONFORMS, "The escape \\@ is sent for empty arguments only."),
    ("2.1-blank-lines", CONFORMS, "Devices and clients ignore lines of whitespace."),
    ("2.1-blank-lines-sent", DEPARTS, "Lines of whitespace are no messages."),
    ("2.1-lower-case-constants", CONFORMS, "What the specification itself names is in lower case."),
    ("2.1-lower-case-names", DEPARTS, "Message names are in lower case."),

    # 2.2 Message identifiers
    ("2.2-reply", CONFORMS, "The reply has the id of the request."),
    ("2.2-range", DEPARTS, "Ids are integers from 1 to 2^31 - 1."),
    ("2.2-client-makes-ids", CONFORMS, "The client constructs suitable ids."),
    ("2.2-not-unique", CONFORMS, "A server does not assume that ids are unique."),
    ("2.2-client-looks", CONFORMS, "A client finds in #version-connect whether there are ids."),
    ("2.2-no-version-connect", CONFORMS, "Without #version-connect a client may assume that there are none."),
    ("2.2-server-without-ids", DEPARTS, "Ids are for servers of version 5 with the flag I."),

    # 2.3 Informs associated with requests
    ("2.3-before-reply", CONFORMS, "Informs of a reply precede it."),
    ("2.3-count", CONFORMS, "The reply has a return code and the number of informs."),
    ("2.3-name", CONFORMS, "Informs of a reply have the name of the request."),
    ("2.3-name-of-others", DEPARTS, "No other inform shares a name with a request."),
    ("2.3-id", CONFORMS, "Informs of a reply have the id of the request."),

    # 3 Datatypes
    ("3-integer", CONFORMS, "Integers are sent as C's %d formats them."),
    ("3-integer-read", DEPARTS, "Nothing but that is an integer."),
    ("3-float", CONFORMS, "Floats are sent so that C's strtod reads them, in decimal."),
    ("3-float-read", DEPARTS, "Nothing else is a float."),
    ("3-boolean", CONFORMS, "Booleans are 1 and 0."),
    ("3-lru", CONFORMS, "LRUs are nominal or error."),
    ("3-timestamp", CONFORMS, "Timestamps are seconds with an optional fraction."),
    ("3-timestamp-read", DEPARTS, "Nothing else is a timestamp."),
    ("3-timestamp-v4", CONFORMS, "Before version 5 timestamps are in milliseconds."),
    ("3-timestamp-2038", CONFORMS, "Timestamps may exceed 32 bits."),
    ("3-discrete", CONFORMS, "Discrete values are of a defined set."),
    ("3-address", CONFORMS, "Addresses are a host and an optional port; IPv6 ones have brackets."),
    ("3-address-hosts", DEPARTS, "Hosts are IPv4 addresses with dots, or IPv6 addresses."),
    ("3-string", DEPARTS, "Strings are bytes without an implied encoding."),
    ("3-string-sensors", DEPARTS, "String sensors may have values that are not text."),
    ("3-large-numbers", DEPARTS, "Integers and floats may be arbitrarily large."),
    ("3-escaped", CONFORMS, "Parameters are escaped after they were formatted."),
    ("3-documents", DEVICE, "Documents of a device tell encodings, and numbers of more than 32 bits."),
    ("3-lru-migration", DEVICE, "LRU values should become booleans."),

    # 4 Core messages
    ("4.1-plain-replies", CONFORMS, "Without a reply message of its own, a request is answered by ok alone."),
    ("4.1-surplus-arguments", DEPARTS, "Requests have the arguments that the specification lists."),
    ("4.1-halt", CONFORMS, "?halt is answered, then connections are closed and the software ends."),
    ("4.1-help", CONFORMS, "?help sends an inform for each request."),
    ("4.1-help-one", CONFORMS, "?help with a name sends an inform for that request only."),
    ("4.1-help-unknown", CONFORMS, "?help with an unknown name fails."),
    ("4.1-help-inform", CONFORMS, "#help has a name and a description."),
    ("4.1-help-syntax", DEPARTS, "Preferred: descriptions use a syntax as in Backus-Naur form."),
    ("4.1-restart", DEPARTS, "?restart resets the software."),
    ("4.1-restart-reply", CONFORMS, "?restart is answered before the connection is closed."),
    ("4.1-watchdog", CONFORMS, "?watchdog is answered by success."),
    ("4.1-version-list", CONFORMS, "?version-list sends informs of name, version, optional build state."),
    ("4.1-version-list-all", CONFORMS, "#version-list includes all that #version-connect tells."),
    ("4.1-build-state", DEVICE, "The build state changes when a component is replaced."),
    ("4.2-disconnect", CONFORMS, "#disconnect with a reason is sent before a client is disconnected."),
    ("4.2-disconnect-after-eof", DEPARTS, "So it is to a client that has ended its own output."),
    ("4.2-disconnect-slow-client", DEPARTS, "So it is to a client that does not read."),
    ("4.2-version-connect", CONFORMS, "#version-connect is sent to a client when it connects."),
    ("4.2-katcp-protocol", CONFORMS, "It tells the version of the protocol, and flags if there are any."),
    ("4.2-flag-m", DEPARTS, "Without the flag M there is a single client only."),
    ("4.2-flags-t-b", CONFORMS, "The flags T and B tell that there are timeout hints and bulk sampling."),
    ("4.2-more-flags", CONFORMS, "There may be further flags."),
    ("4.2-katcp-library", CONFORMS, "katcp-library has a version and a build state."),
    ("4.2-katcp-device", CONFORMS, "katcp-device has the version of the API and a build state."),
    ("4.2-more-versions", CONFORMS, "Further #version-connect informs may be sent."),
    ("4.2-interface-changed", DEPARTS, "#interface-changed tells that sensors or requests changed."),
    ("4.2-interface-changed-forms", CONFORMS, "#interface-changed may have parameters that tell which."),
    ("4.2.1-version", CONFORMS, "Before version 5 #version is sent on connection, as name-major.minor."),
    ("4.2.1-build-state", CONFORMS, "Before version 5 #build-state is sent on connection."),
    ("4.2.1-clients", CONFORMS, "Clients may support both."),
    ("4.2.1-numbering", DEVICE, "Minor and major versions grow when the API changes."),

    # 5 Additional messages
    ("5-flags", CONFORMS, "A device that advertises a flag implements what belongs to it."),
    ("5.1-hints", CONFORMS, "?request-timeout-hint sends an inform for each request with a hint."),
    ("5.1-one-hint", CONFORMS, "With a name, for that request only; 0 if there is no hint."),
    ("5.1-unknown", CONFORMS, "With an unknown name it fails."),
    ("5.1-empty-name", DEPARTS, "An empty name is an unknown one."),
    ("5.1-five-seconds", DEVICE, "Requests take less than 5 seconds."),

    # 6 Logging
    ("6-log", CONFORMS, "Log messages are sent to clients as #log."),
    ("6-level", DEPARTS, "?log-level controls which messages are reported."),
    ("6-one-level", CONFORMS, "The level is global to the device."),
    ("6-level-persists", CONFORMS, "The level persists when clients disconnect."),
    ("6-second-log", CONFORMS, "Messages may go to another log as well."),
    ("6.1-levels", CONFORMS, "A level reports itself and all higher ones."),
    ("6.1-off-and-all", DEPARTS, "Nothing is logged at the levels off and all."),
    ("6.2-query", CONFORMS, "?log-level without a level changes nothing."),
    ("6.2-reply", CONFORMS, "The reply tells the level in force."),
    ("6.3-log", CONFORMS, "#log has level, timestamp, name and message."),
    ("6.3-timestamp", CONFORMS, "Timestamps of #log are in seconds, of millisecond precision or better."),
    ("6.3-timestamp-v4", CONFORMS, "In version 4 they are in milliseconds."),
    ("6.3-name", CONFORMS, "Names of loggers have dots."),

    # 7 Sensors
    ("7-unique-names", CONFORMS, "Names of sensors are unique within a device."),
    ("7-name-characters", DEPARTS, "Names of sensors consist of a-z A-Z 0-9 . - _ only."),
    ("7-name-style", DEVICE, "Names leave out that of the device, and prefer dashes and lower case."),
    ("7-types", CONFORMS, "The type of a sensor is one of section 3."),
    ("7-statuses", CONFORMS, "There are seven statuses."),
    ("7-statuses-v4", DEPARTS, "Version 4 has no statuses unreachable and inactive."),
    ("7-no-value", CONFORMS, "In four statuses there may be no valid value."),
    ("7-choice-of-status", DEVICE, "unknown does not last; unreachable is for proxies."),
    ("7.1-quiet", CONFORMS, "No #sensor-status is sent before a client asks for it."),
    ("7.1-first-report", CONFORMS, "One is sent as soon as a strategy other than none is set."),
    ("7.2-list", CONFORMS, "?sensor-list sends an inform for each sensor."),
    ("7.2-list-one", CONFORMS, "With a name, for that sensor only."),
    ("7.2-list-unknown", CONFORMS, "With an unknown name it fails."),
    ("7.2-patterns", DEPARTS, "A name is a name, whatever it looks like."),
    ("7.2-list-inform", CONFORMS, "#sensor-list has name, description, units, type and parameters."),
    ("7.2-ranges", CONFORMS, "Parameters of numbers are none, a nominal range, or that and a warning range."),
    ("7.2-ranges-v4", DEPARTS, "Version 4 requires the range of numbers."),
    ("7.2-options", CONFORMS, "Parameters of discrete sensors are their options; other types have none."),
    ("7.2-address-v4", DEPARTS, "Version 4 has no type address."),
    ("7.2-beyond-range", CONFORMS, "Clients accept values outside of the range."),
    ("7.2-status-of-range", DEPARTS, "Statuses are consistent with the ranges."),
    ("7.2-auto", CONFORMS, "auto is there for all sensors and never the same as none."),
    ("7.2-none", CONFORMS, "none is there for all sensors and reports nothing."),
    ("7.2-period", CONFORMS, "period reports every so many seconds, sensors of any type."),
    ("7.2-period-v4", CONFORMS, "In version 4 a device takes the period as milliseconds."),
    ("7.2-period-v4-client", DEPARTS, "In version 4 a client sends it as milliseconds."),
    ("7.2-event", CONFORMS, "event reports whenever the value changes, sensors of any type."),
    ("7.2-differential", CONFORMS, "differential reports changes of more than the difference."),
    ("7.2-differential-format", CONFORMS, "The difference is an integer for integer sensors."),
    ("7.2-differential-types", DEPARTS, "differential strategies are for float and integer sensors only."),
    ("7.2-event-rate", CONFORMS, "event-rate reports no sooner and no later than its two periods."),
    ("7.2-differential-rate", CONFORMS, "So does differential-rate."),
    ("7.2-rates-v4", CONFORMS, "Both are new in version 5."),
    ("7.2-sampling-query", CONFORMS, "?sensor-sampling without a strategy tells the present one."),
    ("7.2-sampling-reply", CONFORMS, "The reply has the names, the strategy and its parameters."),
    ("7.2-bulk", CONFORMS, "Names with commas set the strategy of several sensors, with the flag B."),
    ("7.2-bulk-atomic", CONFORMS, "Either all of them get the strategy or none."),
    ("7.2-bulk-query", CONFORMS, "Several sensors cannot be queried."),
    ("7.2-value", CONFORMS, "?sensor-value sends the value of each sensor."),
    ("7.2-value-one", CONFORMS, "With a name, of that sensor only."),
    ("7.2-value-unknown", CONFORMS, "With an unknown name it fails."),
    ("7.2-value-inform", CONFORMS, "#sensor-value has timestamp, number, name, status and value."),
    ("7.2-value-v4", CONFORMS, "In version 4 the timestamp is in milliseconds."),
    ("7.3-status-inform", CONFORMS, "#sensor-status has the same structure."),
    ("7.3-several", CONFORMS, "Both may tell of several sensors."),

    # 8 Multi-client
    ("8-shared", CONFORMS, "Commands of all clients are accepted."),
    ("8-replies", CONFORMS, "Replies and their informs are sent to the client that asked."),
    ("8-log", CONFORMS, "#log is sent to all clients."),
    ("8-greeting", CONFORMS, "Version informs are sent to the client that connects."),
    ("8-disconnect", CONFORMS, "#disconnect is sent to the client that is disconnected."),
    ("8-sampling", CONFORMS, "Each client has one strategy for each sensor, and gets its own reports."),
    ("8.1-client-list", CONFORMS, "?client-list sends an inform for each client, the asking one included."),
    ("8.1-address", CONFORMS, "It has the client's address and port as an address."),
    ("8.2-client-connected", DEPARTS, "#client-connected is sent to all other clients when one connects."),

    # 9 Single-client
    ("9-second-client", DEPARTS, "A second client has the first one disconnected, with the reason."),
    ("9-no-multi-client", DEPARTS, "There is no ?client-list, so that one can tell."),
    ("9-sampling", CONFORMS, "For a new client all strategies are none."),

    # 10, 11, appendices
    ("10-configure", DEVICE, "Deprecated: ?configure configures a device."),
    ("11-mode", DEVICE, "Deprecated: sensors mode and state, request ?mode."),
    ("A.4-now", CONFORMS, "Requests with a timestamp take the special value now."),
    ("A.6-python-logging", CONFORMS, "The second log in Python is the standard logging module."),
)]

BY_KEY = dict((statement.key, statement) for statement in STATEMENTS)


def keys(*verdicts):
    """Return the set of the keys of statements with one of these verdicts."""
    return set([statement.key for statement in STATEMENTS if statement.verdict in verdicts])
