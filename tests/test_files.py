"""Files and folders are written whole or not at all; what is missing is named."""

import sys

import pytest

from mrc.errors import InputError, import_optional
from mrc.files import data_name, make_folder, make_numbered_folder, written_folder, written_whole


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_folder_is_there_once_it_is_complete(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with written_folder(folder) as unfinished:
        (unfinished / "a").write_text("1")
        assert not folder.exists()
    assert contents(folder) == {"a": "1"}
    assert [path.name for path in folder.parent.iterdir()] == ["folder"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("shared", [False, True])
def test_a_folder_that_fails_is_not_there(tmp_path, error, shared):
    def write():
        with written_folder(tmp_path / "a", shared=shared) as unfinished:
            (unfinished / "a").write_text("1")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    with written_folder(folder) as unfinished:
        (unfinished / "a").write_text("1")
    with pytest.raises(OSError, match="a"), written_folder(folder) as unfinished:
        (unfinished / "a").write_text("2")
    assert contents(folder) == {"a": "1"}


def test_a_folder_that_is_displaced(tmp_path):
    for text in ("1", "2", "3"):
        with written_folder(tmp_path / "new", displaced=tmp_path / "old") as unfinished:
            (unfinished / "a").write_text(text)
    assert contents(tmp_path / "new") == {"a": "3"}
    assert contents(tmp_path / "old") == {"a": "2"}
    failing = written_folder(tmp_path / "new", displaced=tmp_path / "old")
    with pytest.raises(ValueError, match="no"), failing:
        raise ValueError("no")
    assert contents(tmp_path / "new") == {"a": "3"}


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / ".a.tmp").mkdir()
    (tmp_path / ".a.tmp" / "half").write_text("")
    with written_folder(tmp_path / "a") as unfinished:
        (unfinished / "a").write_text("1")
    assert contents(tmp_path / "a") == {"a": "1"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
def test_a_file_that_fails_stays_as_it_was(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("1")

    def write():
        with written_whole(path) as file:
            file.write("2")
            raise error

    with pytest.raises(error):
        write()
    assert contents(tmp_path) == {"a.json": "1"}


def test_two_runs_never_share_a_folder(tmp_path):
    names = [make_numbered_folder(tmp_path / "run").name for _ in range(3)]
    assert names == ["run", "run-2", "run-3"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--output-dir .*: is a file"):
        make_folder(tmp_path / "file")
    assert make_numbered_folder(tmp_path / "file").name == "file-2"
    with pytest.raises(InputError, match=r"--output-dir .*: cannot be made"):
        make_numbered_folder(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("data/train.jsonl.gz", "train"),
        ("klue:mrc", "klue-mrc"),
        ("someone/data.v2", "data.v2"),
        ("-", "stdin"),
    ],
)
def test_names_of_data(data, name):
    assert data_name(data) == name


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    purpose = "Drawing"
    assert import_optional("json.decoder", extra="x", purpose=purpose).JSONDecoder
    with pytest.raises(
        InputError, match=r'^Drawing needs the package absent: pip install "mrc-reader\[plot\]"'
    ):
        import_optional("absent.part", extra="plot", purpose=purpose)
    # A package that is there, and needs another one that is not.
    (tmp_path / "package_of_test.py").write_text("import absent.deep\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="Drawing needs the package absent: "):
        import_optional("package_of_test", extra="plot", purpose=purpose)
    (tmp_path / "broken_of_test.py").write_text("from json import absent\n")
    with pytest.raises(InputError, match=r"needs the package json \(cannot import name 'absent'"):
        import_optional("broken_of_test", extra="plot", purpose=purpose)
    assert "absent" not in sys.modules
