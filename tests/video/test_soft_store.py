"""Soft maps on the disk."""

import numpy as np

from spml_core.video.soft_store import DiskSoftStore


def test_the_disk_store_gives_what_was_put(tmp_path):
    store = DiskSoftStore({"forward": tmp_path / "f", "backward": tmp_path / "b"})
    maps = {i: np.random.default_rng(i).integers(0, 256, (3, 5 + i, 4), dtype=np.uint8) for i in (7, 2, 30)}
    for index, soft in maps.items():
        store.put("forward", index, soft)
    for index, soft in maps.items():
        np.testing.assert_array_equal(store.get("forward", index), soft)
        assert store.get("backward", index) is None
    assert store.indices("forward") == (2, 7, 30) and store.indices("backward") == ()
    (tmp_path / "f" / "000007.map").write_bytes((tmp_path / "f" / "000007.map").read_bytes()[:-30])
    content = bytearray((tmp_path / "f" / "000030.map").read_bytes())
    content[-9] ^= 255
    (tmp_path / "f" / "000030.map").write_bytes(content)
    assert store.get("forward", 7) is None and store.get("forward", 30) is None
    store.delete("forward", 7)
    store.delete("forward", 7)
    assert store.indices("forward") == (2, 30)
    store.clear()
    assert store.indices("forward") == ()
