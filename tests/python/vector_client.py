"""Stands in for a Vector with a `vector` sink: sends events over gRPC, and prints what each request was answered.

Reads a JSON object a line, a request each: `events`, a list of

    {"message": B64}        what an `http_server` source with codec `bytes` makes of a body
    {"fields": {…}}         what it makes of one with codec `json`
    {"value": B64}          a log that is one text, as with Vector's own namespace
    {"metric": NAME}, {"trace": NAME}

With --retry it does as Vector does: a request is sent again until it is answered OK or with a status at which Vector drops
its events.
"""

import argparse
import base64
import concurrent.futures
import json
import sys
import time

import grpc

from vector_protocol import event, service, vector

DROPPED = {
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.DATA_LOSS,
}


def value_of(plain) -> event.Value:
    value = event.Value()
    if plain is None:
        value.null = event.NULL_VALUE
    elif isinstance(plain, bool):
        value.boolean = plain
    elif isinstance(plain, int):
        value.integer = plain
    elif isinstance(plain, float):
        value.float = plain
    elif isinstance(plain, str):
        value.raw_bytes = plain.encode()
    elif isinstance(plain, list):
        value.array.SetInParent()
        value.array.items.extend(map(value_of, plain))
    else:
        value.map.SetInParent()
        for name, field in plain.items():
            value.map.fields[name].CopyFrom(value_of(field))
    return value


def log_of(described: dict) -> event.Log:
    log = event.Log()
    # Vector's sinks send what the sources know about an event beside it.
    log.metadata_full.source_type = "http_server"
    log.metadata_full.source_id = "webhook"
    log.metadata_full.source_event_id = time.time_ns().to_bytes(16, "big")
    log.metadata_full.value.map.SetInParent()
    log.metadata.map.SetInParent()
    if "value" in described:
        log.fields["."].null = event.NULL_VALUE
        log.value.raw_bytes = base64.b64decode(described["value"])
        return log
    for name, field in described.get("fields", {}).items():
        log.fields[name].CopyFrom(value_of(field))
    if "message" in described:
        log.fields["message"].raw_bytes = base64.b64decode(described["message"])
    # Only where the event has no such field.
    for name in ("path", "source_type", "host"):
        if name not in log.fields:
            log.fields[name].raw_bytes = f"{name} of {time.time_ns()}".encode()
    if "timestamp" not in log.fields:
        log.fields["timestamp"].timestamp.GetCurrentTime()
    return log


def request_of(line: str) -> vector.PushEventsRequest:
    request = vector.PushEventsRequest()
    for described in json.loads(line)["events"]:
        wrapper = request.events.add()
        if "metric" in described:
            wrapper.metric.name = described["metric"]
            wrapper.metric.counter.value = 1
        elif "trace" in described:
            wrapper.trace.fields["name"].raw_bytes = described["trace"].encode()
        else:
            wrapper.log.CopyFrom(log_of(described))
    return request


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--address", required=True)
    arguments.add_argument("--requests", help="the file; without it only the health is asked for")
    arguments.add_argument("--gzip", action="store_true")
    arguments.add_argument("--retry", action="store_true")
    arguments.add_argument("--parallel", type=int, default=1)
    arguments.add_argument("--tls", nargs="+", metavar="FILE", help="AUTHORITY [CERTIFICATE KEY]")
    given = arguments.parse_args()

    options = [("grpc.max_reconnect_backoff_ms", 100), ("grpc.initial_reconnect_backoff_ms", 50)]
    if given.tls:
        authority, *identity = (open(path, "rb").read() for path in given.tls)
        certificate, key = identity or (None, None)
        credentials = grpc.ssl_channel_credentials(authority, key, certificate)
        options.append(("grpc.ssl_target_name_override", "localhost"))
        channel = grpc.secure_channel(given.address, credentials, options)
    else:
        channel = grpc.insecure_channel(given.address, options)
    stub = service.VectorStub(channel)
    compression = grpc.Compression.Gzip if given.gzip else grpc.Compression.NoCompression

    def push(line: str) -> str:
        request = request_of(line)
        deadline = time.monotonic() + 100
        while True:
            try:
                stub.PushEvents(request, timeout=60, compression=compression)
                return json.dumps({"code": "OK", "details": ""})
            except grpc.RpcError as error:
                if given.retry and error.code() not in DROPPED and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                return json.dumps({"code": error.code().name, "details": error.details()})

    if given.requests is None:
        status = stub.HealthCheck(vector.HealthCheckRequest(), timeout=60).status
        print(vector.ServingStatus.Name(status))
        return
    with open(given.requests, encoding="utf-8") as lines:
        with concurrent.futures.ThreadPoolExecutor(given.parallel) as pool:
            for answer in pool.map(push, list(lines)):
                print(answer, flush=True)


main()
