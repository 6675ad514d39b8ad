import sys

import pytest
import torch

from spml_core.devices import find_device, reuse_freed_memory
from spml_core.errors import DeviceError


def test_auto_is_a_device_that_is_there():
    assert torch.zeros(1, device=find_device("auto")).sum() == 0


def test_unknown_device():
    with pytest.raises(DeviceError, match="tpu"):
        find_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_device():
    with pytest.raises(DeviceError, match="cuda"):
        find_device("cuda")


def test_memory_is_reused_on_linux_only():
    assert not reuse_freed_memory() or sys.platform.startswith("linux")
