"""A sample of a hostile world, and the page that tells of all of it."""

from __future__ import annotations

import re

from atlassian_auth.testing import Fault
from tests.world.catalog import SCENES
from tests.world.play import play, sample
from tests.world.scene import Scene, Seen, runs
from tests.world.table import PAGE, entry

SIZE = 24
AT_ONCE = 10
ENTRIES = re.findall(r"^(.+)\n: (.+)\n", PAGE.read_text("utf-8"), re.MULTILINE)
COUNTED = re.compile(
    r"([\d,]+) runs: presented twice (\d+), lost (\d+), failed (\d+), hung (\d+)\."
)


def test_sample(servers, seed):
    """Nothing is presented twice, lost, failed or left hanging but where a scene lists it."""
    seen = play(servers, sample(SCENES, seed, SIZE), hurried=True, at_once=AT_ONCE)

    unlisted = [
        f"{scene.conditions}: {fault}" for scene in seen for fault in seen[scene].faults(scene)
    ]
    again = f"ATLASSIAN_AUTH_TEST_WORLD={seed} plays it again:"
    assert not unlisted, "\n".join([again, *unlisted])


def test_same_seed_same_sample():
    """The same seed gives the same sample, which has each chapter."""
    first, second = (sample(SCENES, "seed", SIZE) for _ in range(2))

    assert [(run.scene, run.circumstances, run.seed) for run in first] == [
        (run.scene, run.circumstances, run.seed) for run in second
    ]
    assert {run.scene.chapter for run in first} == {scene.chapter for scene in SCENES}


def present_twice(ground):
    """Put the first refresh token back, and let another process present it."""
    refresh_token = ground.issue()
    for _ in range(2):
        process = ground.process()
        ground.check(process.ask("remove"))
        ground.check(process.ask("add", ground.key, refresh_token))
        ground.check(process.ask("token"))
        process.end()


def meet_an_unlisted_error(ground):
    """Let the server fail, which the scene does not list."""
    holder = ground.holder()
    ground.atlassian.fault("token", Fault.status(503), times=3)
    ground.check(holder.ask("token"))
    holder.end()


def hang(ground):
    """Stop a process, and wait for an answer that does not come."""
    holder = ground.holder()
    holder.stop()
    holder.tell("token")
    holder.hear(patience_seconds=0.1)


def break_off(ground):
    """Fail like a scene that is wrong itself."""
    raise LookupError


def play_scene(servers, scene_of, product):
    scene = Scene("Chapter", "conditions", scene_of, runs(product=[product], store=["sqlite"]))
    [seen] = play(servers, sample([scene], "seed", 1), hurried=True, at_once=1).values()
    return seen, seen.faults(scene)


def test_used_refresh_token_is_counted(servers):
    """The harness sees a second presentation, and that it has cost the consent on Data Center."""
    cloud, _ = play_scene(servers, present_twice, "cloud")
    data_center, faults = play_scene(servers, present_twice, "data_center")

    assert (cloud.twice, cloud.lost) == (1, 0)
    assert (data_center.twice >= 1, data_center.lost) == (True, 1)
    assert len(faults) == 3


def test_unlisted_error_is_counted(servers):
    """The harness counts an error of a caller that the scene does not list."""
    seen, [fault] = play_scene(servers, meet_an_unlisted_error, "cloud")

    assert len(seen.failed) == 1
    assert fault.startswith("failed: transient: ")


def test_hanging_process_is_counted(servers):
    """The harness sees a process that says nothing, and does not wait for ever."""
    seen, [fault] = play_scene(servers, hang, "cloud")

    assert len(seen.hung) == 1
    assert "says nothing" in fault


def test_broken_scene_is_counted(servers):
    """A scene that breaks off itself has failed."""
    seen, faults = play_scene(servers, break_off, "cloud")

    assert "LookupError" in seen.failed[0]
    assert len(faults) == 1


def test_page_is_complete():
    """The page has an entry for each scene, and no other entry."""
    told = [_without_numbers(f"{term}\n: {text}\n") for term, text in ENTRIES]

    expected = [_without_numbers(entry(scene, Seen())) for scene in SCENES]

    assert told == expected, "run: nox -s world"


def test_page_shows_nothing_that_is_not_allowed():
    """The page counts only what its scene allows, and each scene was run completely."""
    for scene in SCENES:
        [text] = [text for term, text in ENTRIES if term == scene.conditions]
        played, twice, lost, failed, hung = map(int, COUNTED.match(text).groups())
        assert played == len(scene.runs)
        assert (failed, hung) == (0, 0)
        assert not twice or scene.may_be_twice
        assert not lost or scene.may_be_lost


def _without_numbers(text):
    return COUNTED.sub("", text)
