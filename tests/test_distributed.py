"""`fit` in two processes, joined on this machine, against `fit` in one."""

import json
import os
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from helpers.training import fit, make_trainer, momentum


def loss_fn(params, batch):
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2)


def train(loss_fn, everywhere=None):
    """Train a small network, with a copy of all arrays on each device of a sharding; return the losses."""
    rng = np.random.default_rng(0)
    x, y, w1, w2 = (rng.standard_normal(shape, np.float32) for shape in ((64, 3), 64, (3, 8), 8))
    init, step = make_trainer(loss_fn, momentum(0.05))
    state, data = jax.device_put((init({"w1": w1, "w2": w2}), (x, y)), everywhere)
    _, history = fit(jax.random.key(1), state, data, step=step, epochs=3, batch_size=16)
    return np.asarray(history["loss"]).tolist()


def train_as_one_of_two(process_id, port):
    """Do what notebook 05 shows for several hosts: copies everywhere, each batch split by rows."""
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process_id)
    assert (jax.process_count(), jax.device_count(), jax.local_device_count()) == (2, 2, 1)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    everywhere, by_rows = NamedSharding(mesh, P()), NamedSharding(mesh, P("data"))

    def split_loss_fn(params, batch):
        return loss_fn(params, jax.lax.with_sharding_constraint(batch, by_rows))

    print(json.dumps(train(split_loss_fn, everywhere)))


def test_two_processes_train_to_the_losses_of_one():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    workers = [subprocess.Popen([sys.executable, __file__, str(i), str(port)], **options) for i in range(2)]
    try:
        outputs = [worker.communicate(timeout=120) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    losses = [json.loads(printed.splitlines()[-1]) for printed, _ in outputs]
    expected = train(loss_fn)
    assert np.shape(expected) == (3, 4) and expected[-1][-1] < expected[0][0]
    np.testing.assert_allclose(losses, [expected, expected], rtol=1e-5)


if __name__ == "__main__":
    train_as_one_of_two(int(sys.argv[1]), int(sys.argv[2]))
