"""The messages and the service of tests/vector, made by protoc in a folder that goes away with the process."""

import pathlib
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

_folder = tempfile.TemporaryDirectory()
_protos = pathlib.Path(__file__).resolve().parent.parent / "vector"
_common = pathlib.Path(grpc_tools.__file__).parent / "_proto"
_made = protoc.main(
    [
        "protoc",
        f"--proto_path={_protos}",
        f"--proto_path={_common}",
        f"--python_out={_folder.name}",
        f"--grpc_python_out={_folder.name}",
        "event.proto",
        "vector.proto",
    ]
)
if _made != 0:
    sys.exit("protoc cannot read tests/vector")
sys.path.insert(0, _folder.name)

import event_pb2 as event  # noqa: E402
import vector_pb2 as vector  # noqa: E402
import vector_pb2_grpc as service  # noqa: E402

__all__ = ["event", "service", "vector"]
