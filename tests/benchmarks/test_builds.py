"""What is installed together with a commit that is measured."""

from benchmarks.comparison import builds


def test_what_a_commit_required_is_installed_with_it(tmp_path, monkeypatch):
    """A later commit may have dropped it, so that the environment lacks it; what the environment has is kept."""

    def distribution(folder, name, *requires):
        place = folder / f"{name}-1.0.dist-info"
        place.mkdir(parents=True)
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {one}" for one in requires),
        ]
        (place / "METADATA").write_text("\n".join(lines))

    here = "numpy<2", "Dropped_Long.ago>=3", 'only-there; sys_platform == "nowhere"', 'extra-one; extra == "plot"'
    distribution(tmp_path / "installed", "hotloop", *here)
    assert builds.lacking(tmp_path / "installed") == ["Dropped_Long.ago>=3"]
    distribution(tmp_path / "installed", "dropped_long_ago", "and_its_own")
    assert builds.lacking(tmp_path / "installed") == ["and_its_own"]
    distribution(tmp_path / "environment", "and-its-own")
    monkeypatch.syspath_prepend(str(tmp_path / "environment"))
    assert builds.lacking(tmp_path / "installed") == []
