"""Texts that are more than JSON Schema can say, and ids of things that are there."""

import datetime
import os

import schemathesis
from hypothesis import strategies as st

EVENT_TYPES = ["order.created", "order.*", "*", "a.*.b", "ü.x"]
PATHS = [
    "$.items[?@.qty > 2]",
    "$.event_type == 'order.created'",
    "$..name",
    "$[?match(@.a, 'x.*') && !@.b]",
    "$['a','b'][0:3]",
]
FIELDS = ["amount", "customer.name", "/a/b", "tags", "a.0.b"]
REGEXES = ["^a+$", "[a-z]{1,3}", "x|y", "\\d+"]
URLS = ["https://example.com/", "https://user.example.com:8443/a?b=c", "https://hooks.example.net/x/y"]

schemathesis.openapi.format("sluice-event-type", st.sampled_from(EVENT_TYPES))
schemathesis.openapi.format("sluice-jsonpath", st.sampled_from(PATHS))
schemathesis.openapi.format("sluice-field", st.sampled_from(FIELDS))
schemathesis.openapi.format("sluice-regex", st.sampled_from(REGEXES))
schemathesis.openapi.format("sluice-declared-type", st.sampled_from(["order.created", "order.paid", "ü.x"]))
schemathesis.openapi.format("sluice-header-name", st.sampled_from(["x-key", "authorization", "X-Tenant", "cookie"]))
schemathesis.openapi.format("sluice-header-value", st.sampled_from(["a", "Bearer b", "c; d=e"]))
schemathesis.openapi.format("sluice-signing-secret", st.just("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"))
schemathesis.openapi.format("sluice-traceparent", st.from_regex(r"\A00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\Z"))
# Nobody can make up a cursor; an empty one is none.
schemathesis.openapi.format("sluice-cursor", st.just(""))
schemathesis.openapi.format("uri", st.sampled_from(URLS))
schemathesis.openapi.format("email", st.sampled_from(["a@example.com", "b.c@d.example"]))
schemathesis.openapi.format(
    "date-time",
    st.builds(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format,
        st.integers(1970, 2100), st.integers(1, 12), st.integers(1, 28),
        st.integers(0, 23), st.integers(0, 59), st.integers(0, 59),
    ),
)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the time what a path names is there."""
    if not path_parameters:
        return path_parameters
    path = context.operation.path if context.operation else ""
    if "customer_id" in path_parameters and hash(str(path_parameters["customer_id"])) % 4:
        path_parameters["customer_id"] = os.environ["CONTRACT_CUSTOMER"]
    if "id" in path_parameters and hash(str(path_parameters["id"])) % 2:
        if "/events/" in path:
            path_parameters["id"] = os.environ["CONTRACT_EVENT"]
        elif "/subscriptions/" in path and context.operation.method != "delete":
            path_parameters["id"] = os.environ["CONTRACT_SUBSCRIPTION"]
    return path_parameters


# Two names of one thing, of which a request may send one.
TWO_NAMES = [("start_time", "since"), ("end_time", "until"), ("workflow_id", "subscription_id")]


@schemathesis.hook
def filter_query(context, query):
    """An empty parameter is an absent one (`allowEmptyValue`), not a wrong one."""
    made_up = context.operation.path in ("/v1/inbox", "/v1/dead-letters")
    if any(one in query and other in query for one, other in TWO_NAMES) if query else False:
        return False
    return not query or all(value != "" or (made_up and name == "cursor") for name, value in query.items())


def in_order(fields):
    """Moves the end of a range behind its start: a schema cannot say that one is before the other."""
    if not hasattr(fields, "get") or not any(name in fields for name in ("start_time", "since")):
        return
    for name in ("end_time", "until"):
        text = str(fields.get(name, ""))
        try:
            text.isdigit() or datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            continue  # absent, or not a time, which is to be refused
        fields[name] = "9999-12-31T23:59:59Z"


@schemathesis.hook
def before_call(context, case, kwargs):
    """An empty part of a path is another path; two different keys are ambiguous."""
    for headers in (case.headers, kwargs.get("headers")):
        for name in [name for name in headers or {} if name.lower() == "x-api-key"]:
            del headers[name]
    # A number is a time in milliseconds; numbers that can only be seconds are refused.
    for name in ("start_time", "since", "end_time", "until"):
        if case.query and str(case.query.get(name, "")).isdigit():
            case.query[name] = "1767225600000"
    for one, other in TWO_NAMES:
        if case.query and one in case.query and other in case.query:
            del case.query[other]
    in_order(case.query)
    in_order(case.body)
    for name, value in (case.path_parameters or {}).items():
        if value == "":
            case.path_parameters[name] = os.environ["CONTRACT_EVENT"]
