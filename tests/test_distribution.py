"""What users install: the same bytes from every build, and dependencies whose licences are known."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from contextlib import chdir
from email import message_from_bytes
from importlib import metadata
from io import BytesIO
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SITE = "https://atlassian-auth.readthedocs.io"
TABLE = (ROOT / "docs" / "policies.md").read_text("utf-8")
LISTED = dict(re.findall(r"^\| `([\w.-]+)` \|[^|]*\| ([^|]+) \|$", TABLE, re.MULTILINE))

# What a user may combine with closed programs, with no other duty than to name the author or, for the
# last three, to publish changes of the dependency itself.
FAMILIES = r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense|MPL|Mozilla|LGPL|Lesser"


def licence(name):
    """Return what a distribution says of its licence: an SPDX expression, or else words."""
    about = metadata.metadata(name)
    words = [line for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    return about.get("License-Expression") or "; ".join(words) or about.get("License") or ""


def direct():
    """Return the distributions that an installation with all extras asks for, with the extras of each."""
    required = map(Requirement, metadata.requires("atlassian-auth"))
    return {one.name: tuple(one.extras) for one in required}


def installed():
    """Return all distributions that these bring along on this computer."""
    found, waiting = set(), set(direct().items())
    while waiting:
        found.add(one := waiting.pop())
        waiting |= set(brought(*one)) - found
    return sorted({name for name, _ in found})


def brought(name, extras):
    """Return what a distribution with these extras brings along, with the extras of each."""
    environments = [{"extra": extra} for extra in ("", *extras)]
    for required in map(Requirement, metadata.requires(name) or ()):
        if not required.marker or any(map(required.marker.evaluate, environments)):
            yield canonicalize_name(required.name), tuple(required.extras)


def checked_out(folder, *, mode, modified_at):
    """Copy what the builds read, as another person's checkout has it."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".?*", "*.egg-info", "__pycache__"))
    shutil.copy(ROOT / ".gitignore", folder)
    for path in folder.rglob("*"):
        path.chmod(mode | 0o111 if path.is_dir() else mode)
        os.utime(path, (modified_at, modified_at))
    return folder


def built(folder, target):
    """Return the bytes of the source distribution and of the wheel, by name."""
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.delenv("SOURCE_DATE_EPOCH", raising=False)
        for builder in (SdistBuilder, WheelBuilder):
            list(builder(str(folder)).build(directory=str(target), versions=["standard"]))
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The files of a release."""
    if not (ROOT / "atlassian_auth").is_dir():
        pytest.skip("the package is not beside its tests")
    folder = tmp_path_factory.mktemp("release")
    one = checked_out(folder / "one", mode=0o644, modified_at=1_000_000_000)
    return built(one, folder / "1")


@pytest.fixture(scope="module")
def metadata_of_wheel(release):
    """What the package index reads of the wheel."""
    [name] = [name for name in release if name.endswith(".whl")]
    wheel = zipfile.ZipFile(BytesIO(release[name]))
    [path] = [path for path in wheel.namelist() if path.endswith("/METADATA")]
    return message_from_bytes(wheel.read(path))


def test_two_builds_are_the_same(release, tmp_path):
    """Builds in different folders, with different modes and times of the files, are equal to the byte."""
    other = checked_out(tmp_path / "another", mode=0o600, modified_at=1_700_000_000)

    second = built(other, tmp_path / "2")

    assert [name.rpartition(".")[2] for name in sorted(release)] == ["whl", "gz"]
    assert release == second


def test_links_work_on_the_package_index(metadata_of_wheel):
    """The description has the README's links, each to a page of the site or a file of the repository."""
    text = metadata_of_wheel.get_payload(decode=True).decode()
    pages = re.findall(r"\]\(docs/([\w/-]+)\.md", (ROOT / "README.md").read_text("utf-8"))

    assert re.findall(r"\]\((?!https://)[^)]*\)|<!--", text) == []
    assert re.findall(rf"{SITE}/en/latest/([\w/-]+)\.html", text) == pages
    assert [page for page in pages if not (ROOT / "docs" / f"{page}.md").is_file()] == []


def test_the_package_index_does_not_speak_of_a_clone(metadata_of_wheel):
    """The commands that need a clone stand in the repository's README only."""
    text = metadata_of_wheel.get_payload(decode=True).decode()

    assert metadata_of_wheel["Description-Content-Type"] == "text/markdown"
    assert "clone" not in text
    assert "## Read on" in text


def test_the_documentation_is_a_site(metadata_of_wheel):
    """The index links the site that is built, the source, the changelog and the issues."""
    links = dict(value.split(", ") for value in metadata_of_wheel.get_all("Project-URL"))

    assert links.keys() == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert links["Documentation"] == SITE


@pytest.mark.parametrize("file", [".readthedocs.yaml", "CONTRIBUTING.md", "noxfile.py"])
def test_all_extras_are_installed_for_tests_and_pages(file):
    """Each place that installs everything names all extras."""
    everything = ",".join(sorted(metadata.metadata("atlassian-auth").get_all("Provides-Extra")))

    assert f"[{everything}]" in (ROOT / file).read_text("utf-8")


@pytest.mark.skipif(
    not (ROOT / "atlassian_auth").is_dir(), reason="the package is not beside its tests"
)
def test_the_image_installs_the_same_wheel(tmp_path):
    """The container file copies all that the wheel is built from, and ``.dockerignore`` lets it."""
    steps = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    copies = [step.split()[1:-1] for step in steps if re.match(r"COPY (?!--from)", step)]
    names = [name for names in copies for name in names]
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    whole = checked_out(tmp_path / "whole", mode=0o644, modified_at=1_000_000_000)
    (image := tmp_path / "image").mkdir()
    expected = wheel_of(built(whole, tmp_path / "1"))
    for name in names:
        (whole / name).rename(image / name)

    wheel = wheel_of(built(image, tmp_path / "2"))

    assert {line for line in ignored if line.startswith("!")} == {f"!{one}" for one in names}
    assert wheel == expected


def wheel_of(files):
    """Return the bytes of the wheel among the files of a build."""
    [wheel] = [content for name, content in files.items() if name.endswith(".whl")]
    return wheel


def test_licences_of_direct_dependencies_are_listed():
    """The page lists each dependency, with the licence that its own metadata states."""
    assert LISTED.keys() == direct().keys()
    assert [name for name in LISTED if LISTED[name] not in licence(name)] == []


@pytest.mark.parametrize("name", installed())
def test_licence_allows_any_use(name):
    """Each distribution that users install with us states a licence that closed programs can accept."""
    assert re.search(FAMILIES, licence(name)), licence(name)
