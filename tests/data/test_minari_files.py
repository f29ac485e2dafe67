"""Data sets of Minari's: written here and read by Minari, made by Minari and read here."""

import json
import shutil
import warnings
from dataclasses import replace

import gymnasium as gym
import minari
import numpy as np
import pytest
from gymnasium import spaces
from logged import ONE_NUMBER, assert_same_episodes, small_dataset, spec_of
from minari.data_collector import EpisodeBuffer
from minari.storage import hosting
from worlds import assert_one_line

from agents.data import load, refuse_misfit, save, to_replay
from agents.envs import describe, make_environment
from agents.errors import UserError

ID = "worlds/small-v0"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "space",
    [
        ONE_NUMBER,
        spaces.Box(-2.0, 6.0, (), np.float64),
        spaces.Box(0, 10, (2,), np.int32),
        spaces.Discrete(3, start=1),
    ],
    ids=str,
)
def test_what_is_written_comes_back_bit_for_bit(space):
    dataset = small_dataset(spec_of(space, id=""), ID)
    save(dataset, ID)
    found = load(ID)
    assert_same_episodes(found.episodes, dataset.episodes)
    assert replace(found, episodes=()) == replace(dataset, episodes=(), env_kwargs={})


def test_minari_reads_what_is_written():
    dataset = small_dataset(spec_of(id="worlds:Walk-v0"), ID)
    save(dataset, ID)
    read = minari.load_dataset(ID)
    assert (read.total_episodes, read.total_steps) == (3, 12)
    assert read.spec.action_space == ONE_NUMBER
    metadata = read.storage.metadata
    assert metadata["description"] == metadata["algorithm_name"] == "drawn"
    assert metadata["requirements"] == [f"gymnasium>={gym.__version__}"]
    for ours, theirs in zip(dataset.episodes, read.iterate_episodes(), strict=True):
        for name in ("observations", "actions", "rewards"):
            one, other = getattr(ours, name), getattr(theirs, name)
            assert (one.dtype, one.tobytes()) == (other.dtype, other.tobytes())
        assert theirs.terminations.tolist()[-1] == ours.terminated
        assert theirs.truncations.tolist()[-1] == ours.truncated
        assert not theirs.terminations[:-1].any()
        assert not theirs.truncations[:-1].any()
    for evaluation in (False, True):
        env = read.recover_environment(eval_env=evaluation)
        assert env.unwrapped.noise == 0.1  # pyright: ignore[reportAttributeAccessIssue]
    found = load(ID)
    assert found.env_kwargs == {"noise": 0.1}
    refuse_misfit(found, dataset.spec)


def test_a_time_limit_of_ones_own_is_kept():
    for id, limit in (("usual-v0", 200), ("short-v0", 15)):
        env = gym.make("Pendulum-v1", max_episode_steps=limit, g=9.0)
        spec = describe(env)
        kwargs = {"max_episode_steps": limit, "g": 9.0}
        save(replace(small_dataset(spec), env_kwargs=kwargs), id)
    assert load("usual-v0").env_kwargs == {"g": 9.0}
    assert load("short-v0").env_kwargs == {"max_episode_steps": 15, "g": 9.0}


def test_an_environment_that_has_no_record_is_left_out():
    gym.register("Called-v0", entry_point=lambda **kwargs: gym.make("worlds:Walk-v0").unwrapped)
    try:
        save(replace(small_dataset(spec_of(id="Called-v0")), env_kwargs={}), ID)
    finally:
        gym.registry.pop("Called-v0")
    assert load(ID).spec == spec_of(id="")


def test_an_environment_that_cannot_be_made_is_refused(root):
    with pytest.raises(UserError, match="environment 'Gone-v0' cannot be made"):
        save(small_dataset(spec_of(id="Gone-v0")), ID)
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_what_cannot_be_finished_is_removed(error, root, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr(minari.MinariDataset, "__init__", fail)
    with pytest.raises((UserError, KeyboardInterrupt)):
        save(small_dataset(spec_of(id="")), ID)
    assert not (root / ID).exists()


def test_a_name_that_is_taken_is_refused():
    save(small_dataset(spec_of(id="")), ID)
    with pytest.raises(UserError, match="exists already") as error:
        save(small_dataset(spec_of(id="")), ID)
    assert_one_line(error)
    assert load(ID).steps == 12


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # Minari's own
@pytest.mark.parametrize(
    ("id", "kwargs"),
    [
        ("Pendulum-v1", {}),
        ("CartPole-v1", {}),
        ("LunarLander-v3", {"continuous": True}),
        ("LunarLander-v3", {}),
    ],
)
def test_what_minari_collects_is_read(id, kwargs):
    made = make_environment(id, {**kwargs, "max_episode_steps": 20})
    collector = minari.DataCollector(made, record_infos=True)
    collector.action_space.seed(0)
    seen = []
    for seed in range(3):
        observation, _ = collector.reset(seed=seed)
        seen.append([observation])
        ended = False
        while not ended and not (seed == 2 and len(seen[2]) == 5):  # the last one is cut
            observation, _, *ends, _ = collector.step(collector.action_space.sample())
            seen[-1].append(observation)
            ended = any(ends)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the author and others that are not named
        collector.create_dataset(ID)
    collector.close()
    dataset = load(ID)
    refuse_misfit(dataset, describe(made))
    assert dataset.env_kwargs == {**kwargs, "max_episode_steps": 20}
    for logged, observations in zip(dataset.episodes, seen, strict=True):
        np.testing.assert_array_equal(logged.observations, observations)
    ended = [(each.terminated, each.truncated) for each in dataset.episodes]
    full = (False, True) if id != "CartPole-v1" else (True, False)
    assert ended[2] == (False, True)
    assert set(ended) <= {full, (False, True)}
    assert [len(each.rewards) for each in to_replay(dataset, 1)] == [len(s) - 1 for s in seen]


LINE = spaces.Box(-np.inf, np.inf, (2,), np.float64)


def make(observed=LINE, acted=ONE_NUMBER, **changes):
    """A data set of one episode of three steps, made by Minari, without an environment."""
    episode = {
        "observations": np.arange(8.0).reshape(4, 2),
        "actions": np.zeros((3, 1), np.float32),
        "rewards": np.array([0.1, 0.2, 0.3]),
        "terminations": np.array([False, False, False]),
        "truncations": np.array([False, False, False]),
        "infos": {},
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(
            ID,
            [EpisodeBuffer(**(episode | changes))],
            observation_space=observed,
            action_space=acted,
        )


def test_double_precision_becomes_single_and_a_cut_episode_is_truncated():
    make()
    dataset = load(ID)
    (episode,) = dataset.episodes
    assert dataset.spec == spec_of(id="")
    assert (episode.terminated, episode.truncated) == (False, True)
    assert episode.observations.dtype == episode.rewards.dtype == np.float32
    assert episode.observations.tolist() == np.arange(8.0).reshape(4, 2).tolist()
    assert dataset.returns == pytest.approx([0.6])


def test_both_ends_at_once_are_kept():
    last = np.array([False, False, True])
    make(terminations=last, truncations=last)
    assert [(each.terminated, each.truncated) for each in load(ID).episodes] == [(True, True)]


UNBOUNDED = spaces.Box(-np.inf, np.inf, (1,), np.float32)
PICTURE = spaces.Box(0, 255, (40, 40, 3), np.uint8)
SPACES = {
    "dict": (
        {"observed": spaces.Dict({"x": LINE}), "observations": {"x": np.zeros((4, 2))}},
        "Dict(",
    ),
    "tuple": ({"observed": spaces.Tuple([LINE]), "observations": (np.zeros((4, 2)),)}, "Tuple("),
    "pictures": (
        {"observed": PICTURE, "observations": np.zeros((4, 40, 40, 3), "u1")},
        "(40, 40, 3)",
    ),
    "choices": ({"observed": spaces.Discrete(5), "observations": np.zeros(4, int)}, "Discrete(5)"),
    "unbounded": ({"acted": UNBOUNDED}, "Box(-inf, inf, (1,), float32)"),
    "several": (
        {"acted": spaces.MultiDiscrete([2, 3]), "actions": np.zeros((3, 2), int)},
        "MultiDiscrete([2 3])",
    ),
}


@pytest.mark.parametrize("case", SPACES)
def test_spaces_that_are_not_supported_are_named(case):
    changes, named = SPACES[case]
    make(**changes)
    with pytest.raises(
        UserError, match=rf"data set '{ID}' has (observation|action) space"
    ) as error:
        load(ID)
    assert named in str(error.value)
    assert_one_line(error)


LATE = np.array([False, True, False])
VALUES = {
    "nan": ({"observations": np.full((4, 2), np.nan)}, "nan among its observations, at step 0"),
    "infinite": ({"rewards": np.array([0.0, np.inf, 0.0])}, "inf among its rewards, at step 1"),
    "too large": ({"rewards": np.array([0.0, 0.0, 1e300])}, "1e+300 among its rewards"),
    "out of bounds": ({"actions": np.full((3, 1), 2.0, np.float32)}, "the action [2.]"),
    "text": ({"rewards": ["a", "b", "c"]}, "rewards of type object"),
    "few observations": ({"observations": np.zeros((3, 2))}, "observations of shape (3, 2)"),
    "few actions": ({"actions": np.zeros((2, 1), np.float32)}, "actions of shape (2, 1)"),
    "wide rewards": ({"rewards": np.zeros((3, 1))}, "rewards of shape (3, 1)"),
    "few ends": ({"truncations": LATE[:2]}, "truncated by bool of shape (2,)"),
    "terminated early": ({"terminations": LATE}, "terminated at step 2 of 3"),
    "truncated early": ({"truncations": LATE}, "truncated at step 2 of 3"),
    "fractions": (
        {"acted": spaces.Discrete(3), "actions": np.array([0.5, 1.0, 2.0])},
        "actions of type float64; allowed: integers",
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_cannot_be_learned_from_are_refused(case):
    changes, named = VALUES[case]
    make(**changes)
    with pytest.raises(UserError, match=f"data set '{ID}', episode 0") as error:
        load(ID)
    assert named in str(error.value)
    assert_one_line(error)


def without_episodes(root):
    shutil.rmtree(root / ID)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        minari.create_dataset_from_buffers(ID, [], observation_space=LINE, action_space=ONE_NUMBER)


def edit(**changes):
    def change(root):
        file = root / ID / "data" / "metadata.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def damage(name, content):
    return lambda root: (root / ID / "data" / name).write_bytes(content)


DAMAGED = {
    "no numbers": (damage("main_data.hdf5", b"no HDF5"), "cannot be read: "),
    "numbers gone": (lambda root: (root / ID / "data/main_data.hdf5").unlink(), "No data found"),
    "record gone": (lambda root: (root / ID / "data/metadata.json").unlink(), "No data found"),
    "no record": (damage("metadata.json", b"{"), "cannot be read: "),
    "record of nothing": (damage("metadata.json", b"{}"), "cannot be read: "),
    "another version": (edit(minari_version="9.0"), "does not support"),
    "another format": (edit(data_format="stone"), "cannot be read: "),
    "another space": (edit(action_space='{"type": "Sphere"}'), "cannot be read: "),
    "more episodes": (edit(total_episodes=2), "cannot be read: "),
    "no environment": (edit(env_spec="{}"), "cannot be read: "),
    "none": (without_episodes, "has no episodes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_data_sets_are_refused_in_one_line(case, root):
    change, named = DAMAGED[case]
    make()
    change(root)
    with pytest.raises(UserError, match=f"data set '{ID}'") as error:
        load(ID)
    assert named in str(error.value)
    assert_one_line(error)


def test_nothing_is_downloaded(monkeypatch):
    monkeypatch.setattr(hosting, "download_dataset", pytest.fail)
    with pytest.raises(UserError, match="is not there"):
        load(ID)
