"""The Singer SDK's own suite for taps, against the sandbox."""

import atexit
import contextlib
import tempfile

from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import access
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from tap_ifs_cloud.tap import TapIfsCloud

# The suite asks for the streams while tests are collected, so the server has to be up by then.
_stack = contextlib.ExitStack()
atexit.register(_stack.close)
_box = _stack.enter_context(Sandbox(scale=300))
_folder = _stack.enter_context(tempfile.TemporaryDirectory())

TestTapIfsCloud = get_tap_test_class(
    TapIfsCloud,
    config={
        **access(_box),
        "state_dir": _folder,
    },
    suite_config=SuiteConfig(max_records_limit=50),
)
