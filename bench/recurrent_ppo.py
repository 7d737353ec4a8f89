"""Time RecurrentPPO of sb3-contrib with a policy that takes episodes in one pass.

Run as ``python bench/recurrent_ppo.py [--rounds N]``; needs ``pip install sb3-contrib``. Compares
the values and probabilities of both policies first, then trains both in turns, and prints the
seconds of 256 steps of CartPole with the training after them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.common.recurrent.type_aliases import RNNStates

from rnnfast.interop.torch import accelerate


class OnePassPolicy(RecurrentActorCriticPolicy):  # type: ignore[misc]
    """The policy, with resets in place of a loop over steps."""

    @staticmethod
    def _process_sequence(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        sequences = lstm_states[0].shape[1]
        x = features.reshape(sequences, -1, lstm.input_size).swapaxes(0, 1)
        starts = episode_starts.reshape(sequences, -1).swapaxes(0, 1)
        y, lstm_states = lstm(x, lstm_states, reset=starts.bool())
        return y.swapaxes(0, 1).flatten(0, 1), lstm_states


def made(policy: Any) -> Any:
    """Return a model that has not learned."""
    return RecurrentPPO(
        policy,
        "CartPole-v1",
        n_steps=128,
        batch_size=128,
        n_epochs=5,
        seed=0,
        device="cpu",
        policy_kwargs={"lstm_hidden_size": 64},
    )


def require_same(policies: list[Any]) -> None:
    """Compare what policies with the same weights say of sequences with episodes in them."""
    torch.manual_seed(0)
    observations, starts = torch.randn(4 * 32, 4), (torch.rand(4 * 32) < 0.1).float()
    states = [tuple(torch.randn(1, 4, 64) for _ in range(2)) for _ in range(2)]
    actions = torch.randint(2, (4 * 32,))
    found = [
        p.evaluate_actions(observations, actions, RNNStates(*states), starts) for p in policies
    ]
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def main() -> None:
    """Time both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    models = {"sb3-contrib": made("MlpLstmPolicy"), "one pass": made(OnePassPolicy)}
    accelerate(models["one pass"].policy)
    policies = [m.policy for m in models.values()]
    policies[1].load_state_dict(policies[0].state_dict())
    require_same(policies)
    times: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            begin = time.perf_counter()
            model.learn(256, reset_num_timesteps=False)
            times[name].append(time.perf_counter() - begin)
    for name, found in times.items():
        print(f"{name:12s} least {min(found):.2f} s, median {statistics.median(found):.2f} s")


if __name__ == "__main__":
    main()
