"""Published dictionaries of activation maps, our own files, and pickles that want more than arrays."""

import io
import os
import pickle
import pickletools

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
