"""A checkpoint is whole, or it is passed over, or it is not there."""

from collections.abc import Callable
import errno
import functools
import json
import os
from pathlib import Path
import shutil
import threading

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
import numpy as np
import optax
import pytest

from gan_jax import states, types
from gan_jax.errors import UserError
import gan_jax.io.digests
from gan_jax.io.digests import digest
import gan_jax.records.checkpoints
from gan_jax.records.checkpoints import Checkpoints
from tests import disks

pytestmark = pytest.mark.newest
META = {'config': 'abc', 'losses': [0.5, 1.25], 'seen': {'images': 640}}


def make_net(key: jax.Array, net: nn.Module, tx: optax.GradientTransformation) -> states.NetState:
    params = net.init(key, jnp.ones((1, 3)))['params']
    return states.NetState.create(apply_fn=net.apply, params=params, tx=tx, batch_stats={})


@functools.cache
def make_init(width: int) -> Callable[[int], states.GanState]:
    nets = types.Pair(nn.Dense(width), nn.Dense(width, param_dtype=jnp.bfloat16))
    tx = optax.chain(optax.clip(1.0), optax.adam(1e-3))

    def init(seed: jax.Array) -> states.GanState:
        keys = types.Pair(*jax.random.split(jax.random.key(seed)))
        pair = types.Pair(*(make_net(key, net, tx) for key, net in zip(keys, nets, strict=True)))
        return states.GanState(seed.astype(jnp.int32), jnp.int32(0), pair, ema={})

    return jax.jit(init)


def make_state(seed: int = 0, width: int = 5) -> states.GanState:
    """A small GanState with empty nodes, bfloat16, and a weakly typed step in each net."""
    return make_init(width)(seed)


def replicated(tree: states.GanState, devices: int) -> states.GanState:
    mesh = jax.make_mesh(
        (devices,),
        ('data',),
        axis_types=(jax.sharding.AxisType.Auto,),
        devices=jax.devices()[:devices],
    )
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def types_of(tree: states.GanState) -> list[tuple]:
    return [
        (leaf.dtype, leaf.shape, leaf.weak_type, leaf.sharding, leaf.committed)
        for leaf in jax.tree.leaves(tree)
    ]


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path / 'checkpoints', keep=3)
    yield opened
    opened.close()


@pytest.fixture(scope='module')
def saved_step(tmp_path_factory) -> Path:
    """The folder of one saved step, to copy and to damage."""
    directory = tmp_path_factory.mktemp('saved')
    checkpoints = Checkpoints(directory, keep=1)
    checkpoints.save(7, make_state(7), META)
    checkpoints.close()
    return directory / '7'


def save_all(checkpoints: Checkpoints, *steps: int) -> None:
    for step in steps:
        checkpoints.save(step, make_state(step), META | {'step': step})
    checkpoints.wait()


def full(*step):
    raise OSError(errno.ENOSPC, 'full')


class TestDigest:
    def test_is_the_same_on_any_number_of_devices(self):
        state = make_state()
        digests = {digest(state), digest(jax.device_get(state))}
        digests |= {digest(replicated(state, devices)) for devices in (1, 2, 4)}
        assert len(digests) == 1
        assert len(digests.pop()) == 64

    def test_is_the_same_for_the_plain_tree_of_the_same_paths(self):
        leaf = np.arange(3)
        pair = types.Pair(gen=(leaf, leaf), disc={})
        assert digest(pair) == digest({'disc': None, 'gen': [leaf, leaf]})

    @pytest.mark.parametrize(
        'other',
        [
            {'a': np.zeros(4, np.int32)},
            {'a': np.zeros((2, 2), np.float32)},
            {'b': np.zeros(4, np.float32)},
            {'a': np.float32([0, 0, 0, -0.0])},
            {'a': np.zeros(4, np.float32), 'b': np.zeros(0, np.float32)},
        ],
        ids=['dtype', 'shape', 'path', 'sign of zero', 'empty leaf'],
    )
    def test_differs_with(self, other):
        assert digest(other) != digest({'a': np.zeros(4, np.float32)})

    def test_does_not_depend_on_the_memory_layout(self):
        image = np.arange(12.0).reshape(3, 4)
        assert digest({'a': image}) == digest({'a': np.asfortranarray(image)})


class TestRoundTrip:
    def test_gives_the_bits_types_and_meta_back(self, checkpoints):
        state = replicated(make_state(3), 4)
        checkpoints.save(3, state, META)
        restored, meta = checkpoints.restore_latest(like=state)
        assert digest(restored) == digest(state)
        assert jax.tree.structure(restored) == jax.tree.structure(state)
        assert types_of(restored) == types_of(state)
        assert meta == META == checkpoints.latest_meta()

    def test_continues_with_the_same_compiled_program(self, checkpoints):
        step = jax.jit(lambda state: jax.tree.map(lambda x: x + 1, state), donate_argnums=0)
        state = step(step(replicated(make_state(), 2)))
        checkpoints.save(2, state, META)
        fresh = replicated(make_state(), 2)
        restored, _ = checkpoints.restore_latest(like=fresh)
        programs = step._cache_size()
        assert digest(step(restored)) == digest(step(state))
        assert step._cache_size() == programs
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(restored))

    @pytest.mark.parametrize('devices', [1, 2, 4])
    def test_restores_on_other_devices(self, checkpoints, devices):
        state = make_state(1)
        checkpoints.save(1, replicated(state, 4), META)
        like = replicated(make_state(), devices)
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like
        )
        for target in (like, abstract):
            restored, _ = checkpoints.restore(1, target)
            assert digest(restored) == digest(state)
            assert all(len(leaf.devices()) == devices for leaf in jax.tree.leaves(restored))

    def test_the_state_may_be_donated_while_it_is_written(self, checkpoints):
        state = replicated(make_state(2), 2)
        before = digest(state)
        zero = jax.jit(lambda tree: jax.tree.map(jnp.zeros_like, tree), donate_argnums=0)
        checkpoints.save(2, state, META)
        after = zero(state)
        restored, _ = checkpoints.restore_latest(like=after)
        assert digest(restored) == before

    def test_a_saved_step_is_not_written_again(self, checkpoints):
        save_all(checkpoints, 1)
        checkpoints.save(1, make_state(5), {})
        assert digest(checkpoints.restore(1, make_state())[0]) == digest(make_state(1))

    def test_orbax_alone_reads_the_state(self, saved_step):
        import orbax.checkpoint as ocp

        tree = ocp.PyTreeCheckpointer().restore(saved_step / 'state')
        kernel = make_state(7).nets.gen.params['kernel']
        np.testing.assert_array_equal(tree['nets']['gen']['params']['kernel'], kernel)

    def test_close_waits_and_leaves_no_thread(self, tmp_path):
        threads = set(threading.enumerate())
        checkpoints = Checkpoints(tmp_path, keep=1)
        checkpoints.save(1, make_state(), META)
        checkpoints.close()
        assert checkpoints.steps() == [1]
        assert set(threading.enumerate()) <= threads

    def test_save_returns_before_anything_is_written(self, checkpoints, monkeypatch):
        may_write = threading.Event()
        write = gan_jax.records.checkpoints._write_step
        monkeypatch.setattr(
            gan_jax.records.checkpoints,
            '_write_step',
            lambda *step: may_write.wait() and write(*step),
        )
        checkpoints.save(1, make_state(), META)
        assert checkpoints.steps() == []
        may_write.set()
        checkpoints.wait()
        assert checkpoints.steps() == [1]


class TestKeep:
    def test_the_newest_steps_stay(self, checkpoints):
        save_all(checkpoints, 1, 2, 9, 10, 11)
        assert checkpoints.steps() == [9, 10, 11]
        assert sorted(os.listdir(checkpoints._directory)) == ['10', '11', '9']

    def test_the_pinned_step_stays_besides(self, checkpoints):
        save_all(checkpoints, 1)
        checkpoints.save(2, make_state(2), META, pin=True)
        save_all(checkpoints, 3, 4, 5, 6)
        assert checkpoints.steps() == [2, 4, 5, 6]
        checkpoints.save(7, make_state(7), META, pin=True)
        save_all(checkpoints, 8, 9, 10, 11)
        assert checkpoints.steps() == [7, 9, 10, 11]
        checkpoints.pin(None)
        save_all(checkpoints, 12)
        assert checkpoints.steps() == [10, 11, 12]

    def test_the_pinned_step_stays_until_its_follower_is_whole(self, tmp_path, monkeypatch):
        checkpoints = Checkpoints(tmp_path, keep=1)
        checkpoints.save(1, make_state(1), META, pin=True)
        save_all(checkpoints, 2)
        with monkeypatch.context() as patch:
            patch.setattr(gan_jax.records.checkpoints, '_write_step', full)
            checkpoints.save(3, make_state(3), META, pin=True)
            with pytest.raises(UserError, match='cannot save step 3'):
                checkpoints.wait()
        assert checkpoints.steps() == [1, 2]
        checkpoints.close()

    def test_what_a_failed_save_wrote_is_removed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(gan_jax.records.checkpoints, '_write_step', full)
        partial = tmp_path / '3.tmp'
        partial.mkdir()
        with pytest.raises(UserError, match='No space left'):
            Checkpoints(tmp_path, keep=1)._write(3, partial, make_state(3), '{}')
        assert not partial.exists()

    def test_none_is_refused(self, tmp_path):
        with pytest.raises(UserError, match='--config.keep must be at least 1'):
            Checkpoints(tmp_path, keep=0)


def flip_byte(file: Path, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x04
    file.write_bytes(content)


def truncate(file: Path, place: float) -> None:
    os.truncate(file, int(place * (file.stat().st_size - 1)))


class TestDamage:
    """Whatever happens to a file, the restored state is one that was saved."""

    @pytest.mark.parametrize(
        'damage, place', [(flip_byte, 0.3), (flip_byte, 1.0), (truncate, 0.0), (truncate, 0.7)]
    )
    def test_of_any_file_is_noticed_or_harmless(self, tmp_path, saved_step, damage, place):
        like = make_state()
        names = [file.relative_to(saved_step) for file in saved_step.rglob('*') if file.is_file()]
        assert {'meta.json', 'manifest.json'} < {str(name) for name in names}
        for count, name in enumerate(names):
            directory = tmp_path / str(count)
            shutil.copytree(saved_step, directory / '7')
            damage(directory / '7' / name, place)
            found = Checkpoints(directory, keep=1).restore_latest(like)
            if found is None:
                assert os.listdir(directory) == ['7.corrupt']
            else:
                assert (digest(found[0]), found[1]) == (digest(make_state(7)), META)

    def test_of_any_byte_of_the_manifest_is_noticed(self, tmp_path, saved_step):
        shutil.copytree(saved_step, tmp_path / '7')
        manifest = tmp_path / '7' / 'manifest.json'
        content = manifest.read_bytes()
        checkpoints = Checkpoints(tmp_path, keep=1)
        for place in range(0, len(content), 5):
            flipped = content[:place] + bytes([content[place] ^ 0x20]) + content[place + 1 :]
            manifest.write_bytes(flipped)
            # A blank between two entries is the one thing that means nothing.
            if not content[place : place + 1].isspace():
                with pytest.raises(UserError, match='damaged'):
                    checkpoints.restore(7, like=None)

    @pytest.mark.parametrize(
        'kind', ['pipe', 'unnamed', 'outside', 'list', 'text', 'meta', '_METADATA', 'd']
    )
    def test_by_a_forger_who_mends_the_manifest_is_one_line(self, tmp_path, saved_step, kind):
        step = shutil.copytree(saved_step, tmp_path / '7')
        manifest = gan_jax.io.digests.folder_digests(step)
        del manifest['manifest.json']
        forged = {'list': [1], 'text': dict.fromkeys(manifest, 1)}.get(kind)
        if kind == 'pipe':
            os.mkfifo(step / 'pipe')
            forged = manifest | {'pipe': '0' * 64}
        elif kind == 'unnamed':
            (step / 'state' / 'manifest.ocdbt').unlink()
            os.mkfifo(step / 'state' / 'manifest.ocdbt')
            forged = {n: d for n, d in manifest.items() if n != 'state/manifest.ocdbt'}
        elif kind == 'outside':
            (tmp_path / 'secret').write_text('x')
            forged = manifest | {'../secret': gan_jax.io.digests.file_digest(tmp_path / 'secret')}
        elif forged is None:
            for name in [name for name in manifest if kind in Path(name).parts or kind in name[:4]]:
                (step / name).write_text('{"tree_metadata": [], "digest": 5}')
                manifest[name] = gan_jax.io.digests.file_digest(step / name)
        (step / 'manifest.json').write_text(json.dumps(forged or manifest))
        checkpoints = Checkpoints(tmp_path, keep=1)
        with pytest.raises(UserError, match='7.*(damaged|cannot be read|absent)'):
            checkpoints.restore(7, make_state())

    def test_of_the_newest_steps_falls_back_with_one_warning_each(self, checkpoints, caplog):
        save_all(checkpoints, 1, 2, 3)
        flip_byte(checkpoints._directory / '3' / 'meta.json', 0.5)
        (checkpoints._directory / '2' / 'manifest.json').unlink()
        restored, meta = checkpoints.restore_latest(like=make_state())
        assert (digest(restored), meta['step']) == (digest(make_state(1)), 1)
        assert sorted(os.listdir(checkpoints._directory)) == ['1', '2.corrupt', '3.corrupt']
        newest, older = [record.getMessage() for record in caplog.records]
        assert '3 is damaged (kept as 3.corrupt): meta.json has changed; using step 1' in newest
        assert '2 is damaged (kept as 2.corrupt): manifest.json is missing; using' in older

    def test_of_a_step_saved_again_gets_another_name(self, checkpoints):
        for _ in range(3):
            save_all(checkpoints, 5)
            truncate(checkpoints._directory / '5' / 'meta.json', 0.5)
            assert checkpoints.latest_meta() is None
        names = ['5.corrupt', '5.corrupt.2', '5.corrupt.3']
        assert sorted(os.listdir(checkpoints._directory)) == names

    def test_is_passed_over_where_nothing_can_be_renamed(self, checkpoints, monkeypatch, caplog):
        save_all(checkpoints, 1, 2)
        truncate(checkpoints._directory / '2' / 'meta.json', 0.5)

        def refuse(*_):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, 'rename', refuse)
        assert checkpoints.latest_meta()['step'] == 1
        assert '2 is damaged (kept as 2)' in caplog.text

    def test_is_an_error_where_that_step_was_asked_for(self, checkpoints):
        save_all(checkpoints, 1, 2)
        flip_byte(checkpoints._directory / '2' / 'meta.json', 0.5)
        with pytest.raises(UserError, match=r'2 is damaged \(meta.json has changed\).*steps: 1$'):
            checkpoints.restore(2, make_state())
        assert checkpoints.steps() == [1, 2]

    def test_of_what_was_written_shows_in_the_digest(self, checkpoints, monkeypatch):
        monkeypatch.setattr(gan_jax.records.checkpoints, 'digest', lambda tree: 64 * '0')
        save_all(checkpoints, 4)
        monkeypatch.undo()
        with pytest.raises(UserError, match='the state differs from its digest'):
            checkpoints.restore(4, make_state())


class TestMistakes:
    def test_folders_that_are_called_almost_as_a_step_are_none(self, checkpoints):
        save_all(checkpoints, 1)
        for name in ('007', '\u0663', '\u00b2', '-1', '9' * 40, '1.corrupt', ' 2'):
            (checkpoints._directory / name).mkdir()
        assert checkpoints.steps() == [1]

    @pytest.mark.parametrize(
        'like, message',
        [
            (make_state(width=6), r'nets/gen/params/bias is float32\[5\] there and float32\[6\]'),
            (make_state().replace(ema={'a': jnp.ones(2)}), r'ema/a is absent there and float32'),
            (make_state().replace(step=None), r'step is int32\[\] there and absent'),
        ],
        ids=['width', 'more', 'fewer'],
    )
    def test_another_network_is_refused_and_nothing_renamed(self, checkpoints, like, message):
        save_all(checkpoints, 1)
        with pytest.raises(UserError, match=message):
            checkpoints.restore_latest(like)
        assert checkpoints.steps() == [1]

    @pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
    def test_a_state_that_is_not_finite_is_never_saved(self, checkpoints, bad):
        state = make_state()
        nan = jax.tree.map(lambda x: x.at[0].set(bad), state.nets.disc.params)
        nets = state.nets._replace(disc=state.nets.disc.replace(params=nan))
        with pytest.raises(FloatingPointError, match='nets/disc/params/bias .* at step 8'):
            checkpoints.save(8, state.replace(nets=nets), META)
        assert checkpoints.steps() == []


@pytest.fixture
def small_disk(tmp_path):
    with disks.tmpfs(tmp_path / 'disk', 'size=2m') as disk:
        yield disk


class TestFullDisk:
    """Noise does not compress: a step takes 0.8 MB of the 2 MB."""

    states = {
        step: {'noise': np.random.default_rng(step).integers(1 << 62, size=100_000)}
        for step in (1, 2, 3)
    }

    def save(self, checkpoints: Checkpoints, step: int) -> None:
        checkpoints.save(step, self.states[step], META)
        checkpoints.wait()

    def test_stops_with_the_older_steps_whole(self, small_disk, capfd):
        directory = small_disk / 'checkpoints'
        checkpoints = Checkpoints(directory, keep=5)
        self.save(checkpoints, 1)
        self.save(checkpoints, 2)
        with pytest.raises(UserError) as caught:
            self.save(checkpoints, 3)
        message = str(caught.value)
        for part in ('checkpoints: cannot', 'No space left', 'bytes free', 'step 2 is the newest'):
            assert part in message
        assert sorted(os.listdir(directory)) == ['1', '2']
        for step in (1, 2):
            assert checkpoints.restore(step, like=self.states[step])[1] == META
        shutil.rmtree(directory / '1')
        self.save(checkpoints, 3)
        assert checkpoints.steps() == [2, 3]
        checkpoints.close()
        assert capfd.readouterr().err == ''


class TestKill:  # at random moments: tests/trainer_test.py
    def test_what_a_killed_save_leaves_is_ignored_then_removed(self, checkpoints, saved_step):
        save_all(checkpoints, 6)
        for name in ('5.tmp', '7.tmp', '8.tmp'):
            shutil.copytree(saved_step, checkpoints._directory / name)
        (checkpoints._directory / '8.tmp' / 'manifest.json').unlink()
        assert checkpoints.steps() == [6]
        assert digest(checkpoints.restore_latest(make_state())[0]) == digest(make_state(6))
        save_all(checkpoints, 7)
        assert sorted(os.listdir(checkpoints._directory)) == ['6', '7']
