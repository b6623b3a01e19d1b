"""Stands in for a Vector with a `vector` source: takes events over gRPC, writes them down, and answers as it is told.

Every request becomes a line of JSON in the record, before it is answered: the answer, and each event's fields, bytes in
base64 and times in milliseconds. The answers are taken from the list one after the other, then all are OK:

    UNAVAILABLE, INTERNAL, …  the status of that name; nothing of the request is kept
    HALF                      UNAVAILABLE, though the first half of the request is kept
    SILENCE                   no answer for a minute, though all of it is kept
"""

import argparse
import base64
import concurrent.futures
import json
import sys
import threading
import time

import grpc

from vector_protocol import service, vector


def plain(value):
    kind = value.WhichOneof("kind")
    if kind == "raw_bytes":
        return base64.b64encode(value.raw_bytes).decode()
    if kind == "timestamp":
        return value.timestamp.seconds * 1000 + value.timestamp.nanos // 1_000_000
    if kind == "map":
        return {name: plain(field) for name, field in value.map.fields.items()}
    sys.exit(f"a value of kind {kind} is not what Landfall sends")


class Recorder(service.VectorServicer):
    def __init__(self, record, answers, largest):
        self.record = open(record, "a", encoding="utf-8")
        self.answers = answers
        self.largest = largest
        self.lock = threading.Lock()

    def PushEvents(self, request, context):
        with self.lock:
            answer = self.answers.pop(0) if self.answers else "OK"
            if self.largest and len(request.events) > self.largest:
                answer = "RESOURCE_EXHAUSTED"
            kept = {"OK": len(request.events), "SILENCE": len(request.events), "HALF": len(request.events) // 2}
            events = [
                {name: plain(value) for name, value in wrapper.log.fields.items()}
                for wrapper in request.events[: kept.get(answer, 0)]
            ]
            line = {"answer": answer, "sent": len(request.events), "events": events}
            self.record.write(json.dumps(line) + "\n")
            self.record.flush()
        if answer == "SILENCE":
            time.sleep(60)
        if answer != "OK":
            code = grpc.StatusCode[{"HALF": "UNAVAILABLE", "SILENCE": "UNAVAILABLE"}.get(answer, answer)]
            context.abort(code, f"told to answer {answer} – 100 %")
        return vector.PushEventsResponse()

    def HealthCheck(self, request, context):
        return vector.HealthCheckResponse(status=vector.SERVING)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--address", required=True)
    arguments.add_argument("--record", required=True)
    arguments.add_argument("--answers", default="", help="separated by commas")
    arguments.add_argument("--largest", type=int, default=0, help="how many events a request may have")
    arguments.add_argument("--tls", nargs=3, metavar=("CERTIFICATE", "KEY", "AUTHORITY"))
    given = arguments.parse_args()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16))
    answers = [answer for answer in given.answers.split(",") if answer]
    service.add_VectorServicer_to_server(Recorder(given.record, answers, given.largest), server)
    if given.tls:
        certificate, key, authority = (open(path, "rb").read() for path in given.tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)], authority, require_client_auth=True)
        server.add_secure_port(given.address, credentials)
    else:
        server.add_insecure_port(given.address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


main()
