"""Walks reach each folder once and leave out what systems put there."""

from pathlib import Path

from ifdd.folders import Walk, leads_back


def test_links_are_followed_once_and_end(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root / "a" / "deep", root / "@eaDir", root / ".hidden", root / "$Recycle.Bin", elsewhere / "x"):
        folder.mkdir(parents=True)
    (root / "a" / "._x.mp4").touch()
    (root / "a" / "x.mp4").touch()
    (root / "a" / "back").symlink_to(root)
    (root / "a" / "self").symlink_to("self")
    (root / "0 link to a").symlink_to("a")
    (root / "out").symlink_to(elsewhere)
    (elsewhere / "home").symlink_to(root / "a")
    walk = Walk()
    found = {folder.path.relative_to(root).as_posix(): folder.files for folder in walk.through(root)}
    assert found == {".": [], "a": ["self", "x.mp4"], "a/deep": [], "out": [], "out/x": []}
    assert sorted(walk.system_folders) == ["$Recycle.Bin", ".hidden", "@eaDir"]
    assert walk.system_files == ["._x.mp4"]
    repeated = sorted(Path(path).relative_to(root).as_posix() for path in walk.repeated)
    assert repeated == ["0 link to a", "a/back", "out/home"]
    assert leads_back(root / "a" / "back")
    assert not leads_back(root / "out")
