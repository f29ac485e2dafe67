"""A finished run whose newest checkpoint is damaged: refused in one line, or the same run."""

import io
import random
import shutil
import zipfile

import pytest
from tiny import assert_same_run, finished, frozen_of, resume
from worlds import assert_one_line

from agents.checkpoints.saved import CHECKPOINTS
from agents.errors import UserError


def middle_of_the_largest_array(content: bytes) -> int:
    """A place that means something, as the times in a zip do not."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        largest = max(file.infolist(), key=lambda member: member.compress_size)
    return largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2


def damaged(content: bytes, how: str, rng: random.Random | None) -> bytes:
    """Damaged at a random place, or in the middle of the largest array."""
    place = rng.randrange(len(content)) if rng else middle_of_the_largest_array(content)
    rng = rng or random.Random(0)
    if how == "cut short":
        return content[:place]
    if how == "zeroed":
        length = rng.choice([1, 40, 4_096, len(content)])
        return (
            content[:place]
            + bytes(len(content[place : place + length]))
            + content[place + length :]
        )
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def damage_and_resume(run_dir, how: str, rng: random.Random | None = None) -> bool:
    """Whether the damage was found; the run can go on either way."""
    whole = finished()
    shutil.copytree(whole.run_dir, run_dir)
    *_, older, newest = sorted(int(each.stem) for each in (run_dir / CHECKPOINTS).glob("*.npz"))
    file = run_dir / CHECKPOINTS / f"{newest}.npz"
    if how == "deleted":
        file.unlink()
    else:
        file.write_bytes(damaged(file.read_bytes(), how, rng))
    found = False
    try:
        frozen_of(run_dir)
    except UserError:
        found = True
        with pytest.raises(UserError, match=rf"--from-step {older}, which drops") as info:
            resume(run_dir)
        assert_one_line(info)
    resume(run_dir, from_step=older if found else None)
    assert_same_run(run_dir, whole.run_dir, whole.config)
    return found


@pytest.mark.parametrize("how", ["cut short", "zeroed", "flipped", "deleted"])
def test_damage_is_found_and_the_run_goes_on(tmp_path, how):
    found = damage_and_resume(tmp_path / "run", how)
    assert found == (how != "deleted")


@pytest.mark.stress
@pytest.mark.parametrize("how", ["cut short", "zeroed", "flipped"])
def test_damage_at_random_places(tmp_path, how):
    found = [damage_and_resume(tmp_path / str(at), how, random.Random(at)) for at in range(25)]
    assert sum(found) > 20  # a few bits of a zip, such as its times, mean nothing
