"""Published dictionaries of activation maps, our own files, and pickles that want more than arrays."""

import io
import os
import pickle
import pickletools
import time
import zipfile

import numpy as np
import pytest

from spml_core.errors import MarkError, StorageError
from spml_core.seeds import ActivationMaps, read_activation_maps, write_activation_maps
from spml_core.seeds.array_pickle import RefusedPickleError, load_arrays

K = 21


def npy_around(pickled):
    """A .npy file of one object, whose pickle is given."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + pickled


def published(dtype=np.float32):
    draw = np.random.default_rng(0)
    return {n: draw.uniform(size=(6, 8)).astype(dtype) for n in (0, 4, 19)}


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "u1", "<i4"])
@pytest.mark.parametrize("key", [int, np.int64, np.int32, np.uint8])
def test_a_dictionary_saved_by_numpy_is_read(tmp_path, dtype, key):
    maps = {key(n): (m * 200).astype(dtype) for n, m in published(np.float64).items()}
    np.save(tmp_path / "a.npy", maps)
    got = read_activation_maps(tmp_path / "a.npy", K)
    assert got.maps.shape == (20, 6, 8)
    assert got.maps.dtype == np.float32
    np.testing.assert_array_equal(np.flatnonzero(got.present), [1, 5, 20])
    for n, m in maps.items():
        np.testing.assert_array_equal(got.maps[int(n)], m.astype(np.float32))
    assert not got.maps[1].any()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_protocol_and_order_of_axes(tmp_path, protocol, order):
    maps = {n: np.asarray(m, order=order) for n, m in published().items()}
    outer = np.empty((), object)
    outer[()] = maps
    path = tmp_path / "a.npy"
    path.write_bytes(npy_around(pickle.dumps(outer, protocol)))
    got = read_activation_maps(path, K)
    for n, m in maps.items():
        np.testing.assert_array_equal(got.maps[n], m)


def test_files_of_numpy_1_name_its_old_modules(tmp_path):
    outer = np.empty((), object)
    outer[()] = published()
    old = pickle.dumps(outer, 2).replace(b"numpy._core.", b"numpy.core.")
    assert b"numpy.core.multiarray" in old
    (tmp_path / "a.npy").write_bytes(npy_around(old))
    np.testing.assert_array_equal(read_activation_maps(tmp_path / "a.npy", K).maps[4], published()[4])


def test_numbers_may_count_the_background(tmp_path):
    np.save(tmp_path / "a.npy", {1: np.ones((2, 2)), 20: np.ones((2, 2))})
    got = read_activation_maps(tmp_path / "a.npy", K, first_class=0)
    np.testing.assert_array_equal(np.flatnonzero(got.present), [1, 20])
    with pytest.raises(MarkError, match="a map for class 21; there are 21"):
        read_activation_maps(tmp_path / "a.npy", K)


def test_our_own_files_come_back_unchanged(tmp_path):
    maps = np.random.default_rng(1).normal(size=(K - 1, 5, 7)).astype(np.float32)
    present = np.zeros(K, bool)
    present[[2, 7]] = True
    maps[~present[1:]] = 0
    path = tmp_path / "a.npz"
    write_activation_maps(path, ActivationMaps(maps, present))
    got = read_activation_maps(path, K)
    np.testing.assert_array_equal(got.maps, maps)
    np.testing.assert_array_equal(got.present, present)
    with np.load(path, allow_pickle=False) as stored:
        assert stored["classes"].tolist() == [2, 7]


def test_writing_where_nothing_can_be_written(tmp_path):
    maps = ActivationMaps(np.zeros((1, 2, 2), np.float32), np.array([False, True]))
    with pytest.raises(StorageError):
        write_activation_maps(tmp_path / "missing" / "a.npz", maps)


class Trap:
    """Unpickled as usual, it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_would_run_a_program_is_refused(tmp_path):
    trace = tmp_path / "trace"
    np.save(tmp_path / "a.npy", {0: Trap(trace)})
    with pytest.raises(MarkError, match=r"a\.npy wants to run (posix|nt)\.mkdir"):
        read_activation_maps(tmp_path / "a.npy", K)
    assert not trace.exists()
    np.load(tmp_path / "a.npy", allow_pickle=True)  # numpy itself springs the trap
    assert trace.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "os system", "numpy load", "numpy.core.multiarray fromstring",
     "functools partial", "numpy._core._exceptions _display_as_base", "spml_core.seeds.array_pickle load_arrays"],
)  # fmt: skip
def test_no_other_name_is_looked_up(name):
    module, attribute = name.split()
    with pytest.raises(RefusedPickleError, match=f"{module}.{attribute}"):
        load_arrays(io.BytesIO(f"c{module}\n{attribute}\n.".encode()))


@pytest.mark.parametrize(
    "program",
    [
        b"cnumpy\ndtype\n}V__init__\nV1\nsb.",  # alter what stands for a type
        b"cnumpy\ndtype\n(N}V_build\nV1\nstb.",  # the same by the state of slots
        b"cnumpy\nndarray\n(I3\ntR.",  # a bare array
        b"cnumpy\ndtype\n(VV8\ntR.",  # a type of raw memory
        b"cnumpy\ndtype\n(Vf8,O\ntR.",  # a structure with objects
        b"cnumpy._core.multiarray\nscalar\n(cnumpy\ndtype\n(VO8\ntRVx\ntR.",  # an address as an object
        b"c_codecs\nencode\n(Va\nVzlib\ntR.",
    ],
)
def test_tricks_with_what_is_known_are_refused(program):
    pickletools.dis(program, out=io.StringIO())  # a well-formed pickle
    with pytest.raises(RefusedPickleError):
        load_arrays(io.BytesIO(program))


def test_reading_goes_on_as_before_after_a_trick():
    with pytest.raises(RefusedPickleError):
        load_arrays(io.BytesIO(b"cnumpy\ndtype\n}V__init__\nV1\nsb."))
    np.testing.assert_array_equal(load_arrays(io.BytesIO(pickle.dumps(np.arange(3.0)))), [0, 1, 2])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no readable .npy"),
        (b"\x93NUMPY\x09\x00junk", "no readable .npy"),
        (npy_around(pickle.dumps(3)), "no dictionary"),
        (npy_around(pickle.dumps({"cam": 3})), "an entry 'cam'"),
        (npy_around(pickle.dumps({True: 3})), "an entry True"),
        (npy_around(pickle.dumps({1: [1.0, 2.0]})), "no map for number 1, but list"),
        (npy_around(pickle.dumps({1: np.zeros(3)})), "maps of the shapes"),
        (npy_around(pickle.dumps({1: np.zeros((2, 2)), 2: np.zeros((3, 2))})), "maps of the shapes"),
        (npy_around(pickle.dumps({})), "maps of the shapes"),
        (npy_around(pickle.dumps({99: np.zeros((2, 2))})), "class 100"),
        (npy_around(pickle.dumps({-1: np.zeros((2, 2))})), "class 0"),
        (npy_around(pickle.dumps({1: np.full((2, 2), np.nan)})), "isn't finite"),
        (npy_around(pickle.dumps({1: np.zeros((2, 2), bool)})), "type bool"),
        (npy_around(b"\x80\x04]q\x00h\x00a."), "no readable .npy"),  # a list that holds itself
        (npy_around(pickle.dumps({1: np.zeros((9, 9))})[:-40]), "no readable .npy"),
        (b"PK\x03\x04 broken", "no readable activation maps"),
    ],
)
def test_other_content_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "bad.npy"
    path.write_bytes(content)
    with pytest.raises(MarkError, match=words) as caught:
        read_activation_maps(path, K)
    assert "bad.npy" in str(caught.value)


def test_plain_arrays_and_foreign_archives_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 4, 4)))
    with pytest.raises(MarkError, match=r"no dictionary but an array \(20, 4, 4\)"):
        read_activation_maps(tmp_path / "a.npy", K)
    np.savez(tmp_path / "b.npz", classes=np.array([{}]), maps=np.zeros((1, 2, 2)))
    with pytest.raises(MarkError, match="no readable activation maps"):
        read_activation_maps(tmp_path / "b.npz", K)
    np.savez(tmp_path / "c.npz", classes=np.array([1, 2]), maps=np.zeros((1, 2, 2)))
    with pytest.raises(MarkError, match="maps of shape"):
        read_activation_maps(tmp_path / "c.npz", K)
    with pytest.raises(MarkError, match="can't be read"):
        read_activation_maps(tmp_path / "none.npy", K)


def shared(depth, build):
    """A pickle of a few hundred bytes whose values hold 2 to the power of ``depth`` others."""
    value = build([1.0])
    for _ in range(depth):
        value = build([value, value])
    return value


class Shared:
    """Nothing but lists and tuples, as opcodes by hand, for what Python itself would need for ever."""

    @staticmethod
    def tuples_as_a_key(depth):
        body = b"K\x01\x85q\x00"
        for level in range(depth):
            body += b"0" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"\x86q" + bytes([level + 1])
        return b"\x80\x02}(" + body + b"K\x02u."

    @staticmethod
    def duplicates_as_a_key(depth):
        return b"\x80\x02}(K\x01\x85" + b"2\x86" * depth + b"K\x02u."


PICKLES = {
    "lists": pickle.dumps({0: shared(60, list)}),
    "tuples": pickle.dumps({0: shared(60, tuple)}),
    "dictionaries": pickle.dumps({0: shared(60, lambda items: dict(enumerate(items)))}),
    "tuples as a key": Shared.tuples_as_a_key(60),
    "duplicates as a key": Shared.duplicates_as_a_key(60),
    "sets": pickle.dumps({0: {1, 2}}),
    "a far place": b"\x80\x02}r\xff\xff\xff\xff.",
    "a list in itself": b"\x80\x02}(K\x00]q\x00h\x00au.",
    "a huge text": b"\x80\x04\x8d" + (1 << 42).to_bytes(8, "little") + b"a.",
    "a huge array of bytes": b"\x80\x05\x96" + (1 << 42).to_bytes(8, "little") + b"a.",
    "deep": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
}


@pytest.mark.parametrize("case", PICKLES)
def test_small_pickles_that_would_unfold_without_end_are_one_line(tmp_path, case):
    path = tmp_path / "a.npy"
    path.write_bytes(npy_around(PICKLES[case]))
    start = time.perf_counter()
    with pytest.raises(MarkError, match=r"a\.npy") as caught:
        read_activation_maps(path, K)
    assert time.perf_counter() - start < 10
    assert len(str(caught.value)) < 600


def test_what_stands_in_a_dictionary_twice_is_read_twice(tmp_path):
    one = np.ones((3, 4))
    np.save(tmp_path / "a.npy", {1: one, 5: one})
    np.testing.assert_array_equal(np.flatnonzero(read_activation_maps(tmp_path / "a.npy", K).present), [2, 6])


@pytest.mark.parametrize(
    ("classes", "maps"),
    [
        ((1,), (1, 1 << 20, 1 << 20)),
        ((1 << 40,), (1, 2, 2)),
        ((1,), (-1, 2, 2)),
        ((1 << 62, 1 << 62), (1, 2, 2)),
    ],
)
def test_an_archive_of_terabytes_is_one_line(tmp_path, classes, maps):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape, descr in (("classes", classes, "|u1"), ("maps", maps, "<f4")):
            file = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                file, {"descr": descr, "fortran_order": False, "shape": shape}
            )
            archive.writestr(f"{name}.npy", file.getvalue() + bytes(64))
    with pytest.raises(MarkError, match=r"a\.npz .*(says that .* is of shape|holds no readable)") as caught:
        read_activation_maps(path, K)
    assert len(str(caught.value)) < 600


def test_small_maps_of_one_class_do_not_become_gigabytes_of_others(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", classes=np.array([1]), maps=np.zeros((1, 4000, 4000), np.uint8))
    with pytest.raises(MarkError, match=r"maps of 4000 x 4000, for 254 classes more than 8 GiB"):
        read_activation_maps(tmp_path / "a.npz", 254)
