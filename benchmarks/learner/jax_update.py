"""The baseline in JAX: RLPD's update under jit, the whole block of critic updates and the actor's one in a single call.

    python -m benchmarks.learner.jax_update --size 10

runs in any environment with jax and optax. Each line on standard input asks for one measurement, and is answered by one
JSON line; without `--serve` there is one measurement.

The ensemble is one network under vmap with stacked parameters, the updates of a block are a `lax.scan`, buffers are
donated, and only the two drawn members of the target are evaluated.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from benchmarks.learner import serve
from benchmarks.learner.sizes import SIZES, SUBSET, Size

Params = list[dict[str, Any]]
GAMMA, TAU, RATE = 0.99, 0.005, 3e-4
LOG_STD = (-20.0, 2.0)


class Batch(NamedTuple):
    state: Any
    action: Any
    reward: Any
    mask: Any
    next_state: Any


class State(NamedTuple):
    key: Any
    critic: Any
    target: Any
    actor: Any
    log_temperature: Any
    critic_adam: Any
    actor_adam: Any
    temperature_adam: Any


def initial(key: Any, widths: Sequence[int], members: int | None, is_affine: bool) -> Params:
    """Return a perceptron's layers, with the members as first axis where there are any."""
    lead = () if members is None else (members,)
    layers: Params = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        key, drawn = jax.random.split(key)
        bound = fan_in**-0.5
        layer = {
            "w": jax.random.uniform(drawn, (*lead, fan_in, fan_out), minval=-bound, maxval=bound),
            "b": jnp.zeros((*lead, fan_out)),
        }
        if is_affine and i < len(widths) - 2:
            layer |= {"gain": jnp.ones((*lead, fan_out)), "shift": jnp.zeros((*lead, fan_out))}
        layers.append(layer)
    return layers


def perceptron(layers: Params, x: Any, *, has_norm: bool) -> Any:
    """Return the outputs (B, out) for (B, in)."""
    for layer in layers[:-1]:
        x = x @ layer["w"] + layer["b"]
        if has_norm:
            # as in flax: variance by the mean of squares, which takes a single pass
            mean = x.mean(-1, keepdims=True)
            variance = jnp.maximum((x * x).mean(-1, keepdims=True) - mean * mean, 0.0)
            x = (x - mean) * jax.lax.rsqrt(variance + 1e-6)
            if "gain" in layer:
                x = x * layer["gain"] + layer["shift"]
        x = jax.nn.relu(x)
    return x @ layers[-1]["w"] + layers[-1]["b"]


def values(critics: Params, state: Any, action: Any, how: str = "vmap") -> Any:
    """Return Q (K, B) of every member."""
    x = jnp.concatenate([state, action], -1)
    if how == "vmap":
        return jax.vmap(lambda layers: perceptron(layers, x, has_norm=True))(critics)[..., 0]
    count = critics[0]["w"].shape[0]
    each = [jax.tree.map(lambda leaf, k=k: leaf[k], critics) for k in range(count)]
    return jnp.stack([perceptron(layers, x, has_norm=True)[:, 0] for layers in each])


def act(actor: Params, key: Any, state: Any) -> tuple[Any, Any]:
    """Return tanh-Gaussian actions (B, A) and their log probabilities (B,)."""
    mean, log_std = jnp.split(perceptron(actor, state, has_norm=False), 2, -1)
    log_std = jnp.clip(log_std, *LOG_STD)
    noise = jax.random.normal(key, mean.shape)
    before = mean + jnp.exp(log_std) * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
    squash = 2.0 * (jnp.log(2.0) - before - jax.nn.softplus(-2.0 * before))
    return jnp.tanh(before), (normal - squash).sum(-1)


def block(size: Size, is_affine: bool, adam: str, how: str) -> tuple[State, Callable[[State, Batch], Any]]:
    """Return the first state, and the jitted function of `utd` critic updates and an actor's."""
    optimiser = optax.adam(RATE) if adam == "optax" else hand_adam(RATE)

    def critic_step(state: State, batch: Batch) -> tuple[State, Any]:
        key, act_key, draw_key = jax.random.split(state.key, 3)
        action, log_p = act(state.actor, act_key, batch.next_state)
        drawn = jax.random.permutation(draw_key, size.members)[:SUBSET] if size.members > SUBSET else jnp.arange(SUBSET)
        members = jax.tree.map(lambda leaf: leaf[drawn], state.target)
        q_next = values(members, batch.next_state, action, how).min(0) - jnp.exp(state.log_temperature) * log_p
        y = batch.reward + GAMMA * batch.mask * q_next

        def loss(critic: Params) -> Any:
            return jnp.mean((values(critic, batch.state, batch.action, how) - y) ** 2)

        error, gradient = jax.value_and_grad(loss)(state.critic)
        change, critic_adam = optimiser.update(gradient, state.critic_adam)
        critic = optax.apply_updates(state.critic, change)
        target = jax.tree.map(lambda old, new: old + TAU * (new - old), state.target, critic)
        return state._replace(key=key, critic=critic, target=target, critic_adam=critic_adam), error

    def actor_step(state: State, batch: Batch) -> State:
        key, act_key = jax.random.split(state.key)

        def loss(actor: Params) -> tuple[Any, Any]:
            action, log_p = act(actor, act_key, batch.state)
            q = values(state.critic, batch.state, action, how).mean(0)
            return (jnp.exp(state.log_temperature) * log_p - q).mean(), -log_p.mean()

        (_, entropy), gradient = jax.value_and_grad(loss, has_aux=True)(state.actor)
        change, actor_adam = optimiser.update(gradient, state.actor_adam)
        slope = jax.grad(lambda log: jnp.exp(log) * (entropy + size.action / 2))(state.log_temperature)
        warmer, temperature_adam = optimiser.update(slope, state.temperature_adam)
        return state._replace(
            key=key,
            actor=optax.apply_updates(state.actor, change),
            log_temperature=state.log_temperature + warmer,
            actor_adam=actor_adam,
            temperature_adam=temperature_adam,
        )

    @functools.partial(jax.jit, donate_argnums=0)
    def updates(state: State, batches: Batch) -> tuple[State, Any]:
        state, errors = jax.lax.scan(critic_step, state, batches)
        return actor_step(state, jax.tree.map(lambda column: column[-1], batches)), errors.mean()

    key, critic_key, actor_key = jax.random.split(jax.random.key(0), 3)
    critic = initial(critic_key, size.critic_widths, size.members, is_affine)
    actor = initial(actor_key, size.actor_widths, None, is_affine=False)
    log_temperature = jnp.zeros(())
    inits = (optimiser.init(critic), optimiser.init(actor), optimiser.init(log_temperature))
    return State(key, critic, jax.tree.map(jnp.copy, critic), actor, log_temperature, *inits), updates


def hand_adam(rate: float) -> optax.GradientTransformation:
    """Adam in one expression a leaf, for XLA to fuse."""

    def init(params: Any) -> Any:
        return jnp.zeros(()), jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        count, first, second = state[0] + 1, state[1], state[2]
        first = jax.tree.map(lambda m, g: m + 0.1 * (g - m), first, gradient)
        second = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), second, gradient)
        step, root = rate / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        change = jax.tree.map(lambda m, v: -step * m / (jnp.sqrt(v) / root + 1e-8), first, second)
        return change, (count, first, second)

    return optax.GradientTransformation(init, update)


def rows(size: Size) -> Batch:
    """Return random batches, one a critic update of a block, as first axis."""
    lead = (size.utd, size.batch)
    keys = iter(jax.random.split(jax.random.key(1), 4))
    return Batch(
        jax.random.normal(next(keys), (*lead, size.state)),
        jnp.tanh(jax.random.normal(next(keys), (*lead, size.action))),
        (jax.random.uniform(next(keys), lead) < 0.1).astype(jnp.float32),
        jnp.ones(lead),
        jax.random.normal(next(keys), (*lead, size.state)),
    )


def main() -> None:
    given = serve.arguments(
        __doc__, ("--norm", ["affine", "plain"]), ("--adam", ["hand", "optax"]), ("--how", ["vmap", "unroll"])
    )
    # XLA counts the cores it may run on when it starts, which is at the first array
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    size = SIZES[given.size]
    state, updates = block(size, given.norm == "affine", given.adam, given.how)
    batches = rows(size)

    def updated() -> int:
        nonlocal state
        state, errors = updates(state, batches)
        jax.block_until_ready(errors)
        return size.utd

    serve.serve(given, updated, jax=jax.__version__)


if __name__ == "__main__":
    main()
