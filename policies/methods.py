"""The numbers of the named methods: values of the learner's switches, each with its source.

Every method names every switch that tells methods apart, so that none depends on the defaults. Numbers that a source
does not give are named as such.
"""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

# Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv 1812.05905), table 1: two hidden layers
# of 256, ReLU, 3e-4, discount 0.99, tau 0.005, batch 256, one update a step, target entropy -dim(A); two critics and
# their minimum (section 5). Steps before learning: 1,000 in the authors' code; the paper gives none.
SAC: Values = {
    "updates": 1,
    "per_steps": 1,
    "actor.composer": "policy",
    "actor.head": "gaussian",
    "actor.bound": (1.0,),
    "actor.gripper_bound": 1.0,
    "actor.hidden": (256, 256),
    "actor.has_norm": False,
    "actor.activation": "relu",
    "actor.begins_at_zero": False,
    "actor.noise": 0.0,
    "actor.noise_clip": 0.0,
    "actor.log_std_low": -20.0,
    "actor.log_std_high": 2.0,
    "actor.acts_on_average": False,
    "actor.gate": "none",
    "actor.gate_trials": 0.0,
    "actor.proof": 0.0,
    "actor.has_gripper_head": False,
    "learner.members": 2,
    "learner.subset": 2,
    "learner.hidden": (256, 256),
    "learner.has_norm": False,
    "learner.activation": "relu",
    "learner.critic": "mse",
    "learner.critic_rate": 3e-4,
    "learner.actor_rate": 3e-4,
    "learner.actor_every": 1,
    "learner.actor_value": "min",
    "learner.tau": 0.005,
    "learner.target_noise": 0.0,
    "learner.target_noise_clip": 0.0,
    "learner.clip_norm": 0.0,
    "learner.weight_decay": 0.0,
    "learner.initial_temperature": 1.0,
    "learner.temperature_rate": 3e-4,
    "learner.target_entropy": -1.0,
    "learner.backs_up_entropy": True,
    "learner.imitation": 0.0,
    "learner.filters_imitation": True,
    "learner.residual_penalty": 0.0,
    "learner.conservative": 0.0,
    "sampler.batch": 256,
    "sampler.demos": "leave_out",
    "sampler.demo_share": 0.0,
    "sampler.human_is_demo": False,
    "sampler.human_share": 0.0,
    "sampler.success_share": 0.0,
    "sampler.n_step": 1,
    "sampler.gamma": 0.99,
    "sampler.priority": 0.0,
    "rewards.success": 1.0,
    "rewards.intervention": 0.0,
    "schedule.start_steps": 1000,
    "schedule.starter": "uniform",
    "schedule.start_noise": 0.0,
    "schedule.critic_updates": 0,
    "schedule.warmup_steps": 0,
    "schedule.unlock": "steps",
    "schedule.clone_updates": 0,
    "schedule.offline_updates": 0,
    "schedule.guide_steps": 0,
    "alarms.is_on": False,
}

# Fujimoto et al. 2018, "Addressing Function Approximation Error in Actor-Critic Methods" (arXiv 1802.09477), section
# 6.1 and the authors' code (github.com/sfujim/TD3): exploration noise 0.1, target noise 0.2 clipped at 0.5, the actor
# every second update by the first critic, 25,000 random steps; 3e-4, 256-256 and batch 256 as in the code.
TD3: Values = SAC | {
    "actor.head": "deterministic",
    "actor.noise": 0.1,
    "actor.noise_clip": 10.0,  # no limit of its own
    "learner.actor_every": 2,
    "learner.actor_value": "first",
    "learner.target_noise": 0.2,
    "learner.target_noise_clip": 0.5,
    "schedule.start_steps": 25_000,
}

# Ball et al. 2023, "Efficient Online Reinforcement Learning with Offline Data" (arXiv 2302.02948), and its code
# (ikostrikov/rlpd): ten critics with LayerNorm, minimum of two, 20 updates a step with the actor on the last, half of
# every batch offline data, target entropy -dim(A)/2, temperature 1 at first, 5,000 random steps.
RLPD: Values = SAC | {
    "updates": 20,
    "learner.members": 10,
    "learner.has_norm": True,
    "learner.actor_every": 20,
    "learner.actor_value": "mean",
    "learner.target_entropy": -0.5,
    "sampler.demos": "pool",
    "sampler.demo_share": 0.5,
    "schedule.start_steps": 5000,
}

# Luo et al. 2024, "SERL" (arXiv 2401.16013), by its code for states (rail-berkeley/serl, async_sac_state_sim,
# launcher): RLPD with tanh and LayerNorm in both networks, temperature 0.01 at first, no entropy in the target, log
# std within log [1e-5, 5], eight critic updates per actor update, 300 random steps. Its learner is not tied to the
# robot's steps; eight updates a step is our number.
SERL: Values = RLPD | {
    "updates": 8,
    "actor.has_norm": True,
    "actor.activation": "tanh",
    "actor.log_std_low": -11.5,
    "actor.log_std_high": 1.61,
    "learner.activation": "tanh",
    "learner.actor_every": 8,
    "learner.initial_temperature": 0.01,
    "learner.backs_up_entropy": False,
    "schedule.start_steps": 300,
}

# Luo et al. 2024, "HIL-SERL" (arXiv 2410.21845), by its code (rail-berkeley/hil-serl, experiments/config.py,
# launcher.py): two critics, two critic updates per actor update, discount 0.97, a person's steps in both buffers,
# learning from 100 steps on, and no random ones before. Two updates a step is our number.
HIL_SERL: Values = SERL | {
    "updates": 2,
    "learner.members": 2,
    "learner.actor_every": 2,
    "actor.has_gripper_head": True,
    "learner.grip_penalty": 0.02,
    "sampler.human_is_demo": True,
    "sampler.gamma": 0.97,
    "schedule.start_steps": 100,
    "schedule.starter": "policy",
}

# Ankile et al. 2025, "Residual Off-Policy RL for Finetuning Behavior Cloning Policies" (arXiv 2509.19301), by the
# defaults of its code (Can, Square): residual of 0.1, noise 0.05 clipped at 0.3, both of the action, here as shares
# of the bound; AdamW with decay 0.01; 10,000 steps of the base with uniform noise of 0.2, then 10,000 critic updates.
# Ten critics of 1024-1024 need a GPU: see docs/learner.md for sizes that do not.
RESFIT: Values = TD3 | {
    "updates": 4,
    "actor.composer": "residual",
    "actor.bound": (0.1,),
    "actor.gripper_bound": 0.1,
    "actor.hidden": (1024, 1024),
    "actor.has_norm": True,
    "actor.begins_at_zero": True,
    "actor.noise": 0.5,
    "actor.noise_clip": 3.0,
    "learner.members": 10,
    "learner.hidden": (1024, 1024),
    "learner.has_norm": True,
    "learner.critic_rate": 1e-4,
    "learner.actor_rate": 1e-6,
    "learner.actor_every": 4,
    "learner.actor_value": "mean",
    "learner.target_noise": 0.5,
    "learner.target_noise_clip": 3.0,
    "learner.clip_norm": 1.0,
    "learner.weight_decay": 0.01,
    "sampler.demos": "pool",
    "sampler.demo_share": 0.5,
    "sampler.n_step": 3,
    "schedule.start_steps": 10_000,
    "schedule.starter": "base",
    "schedule.start_noise": 0.2,
    "schedule.critic_updates": 10_000,
}

# Luo et al. 2023, "RLIF" (arXiv 2311.12996), by its code for the pen (pd-perry/RLIF): RLPD with 256-256-256, five
# updates a step, no entropy in the target; -1 before a person takes over is the only reward; demonstrations are
# online data.
RLIF: Values = RLPD | {
    "updates": 5,
    "actor.hidden": (256, 256, 256),
    "learner.hidden": (256, 256, 256),
    "learner.actor_every": 5,
    "learner.backs_up_entropy": False,
    "sampler.demos": "preload",
    "sampler.demo_share": 0.0,
    "rewards.success": 0.0,
    "rewards.intervention": 1.0,
    "schedule.start_steps": 0,
    "schedule.starter": "policy",
}

# Zhou et al. 2025, "Efficient Online RL Fine-Tuning Need Not Retain Offline Data" (arXiv 2412.07762), by its code
# (zhouzypaul/wsrl): pretrained by Cal-QL (Nakamoto et al. 2023; weight 1 and 20,000 updates as for Adroit), 5,000
# steps without updates, then SAC with ten critics, four updates a step, their minimum for the actor, 1e-4 for actor
# and temperature, target entropy -dim(A), no demonstrations. That the actor is first cloned is ours.
WSRL: Values = RLPD | {
    "updates": 4,
    "actor.has_norm": True,
    "learner.actor_rate": 1e-4,
    "learner.temperature_rate": 1e-4,
    "learner.actor_every": 4,
    "learner.actor_value": "min",
    "learner.target_entropy": -1.0,
    "learner.backs_up_entropy": False,
    "learner.conservative": 1.0,
    "sampler.demos": "leave_out",
    "sampler.demo_share": 0.0,
    "schedule.starter": "policy",
    "schedule.clone_updates": 2000,
    "schedule.offline_updates": 20_000,
}

# "Policy-Only RL fine-tuning" (PORL, arXiv 2505.16856): a cloned policy, rolled out, then fresh critics fitted to
# that, then SAC. It has no public code; all numbers but SAC's are ours (its first stage as long as WSRL's).
PORL: Values = SAC | {
    "updates": 4,
    "learner.has_norm": True,
    "learner.actor_every": 4,
    "learner.initial_temperature": 0.01,
    "learner.backs_up_entropy": False,
    "schedule.start_steps": 5000,
    "schedule.starter": "policy",
    "schedule.clone_updates": 2000,
    "schedule.critic_updates": 5000,
}

# Hu et al. 2024, "Imitation Bootstrapped RL" (arXiv 2311.02198), by its code (hengyuan-hu/ibrl) for states: five
# critics, minimum of two, the better of base and policy both to act and in the target, n-step 3, 1e-4, tau 0.01,
# noise 0.1 clipped at 0.3, 40 episodes of the base first (here 4,000 steps), an update for every second step with
# five of the critics. Its dropout of 0.5 in the actor is not offered.
IBRL: Values = TD3 | {
    "updates": 5,
    "per_steps": 2,
    "actor.noise_clip": 0.3,
    "actor.acts_on_average": False,
    "actor.gate": "greedy",
    "learner.members": 5,
    "learner.has_norm": True,
    "learner.critic_rate": 1e-4,
    "learner.actor_rate": 1e-4,
    "learner.actor_every": 5,
    "learner.actor_value": "min",
    "learner.tau": 0.01,
    "learner.target_noise": 0.1,
    "learner.target_noise_clip": 0.3,
    "sampler.demos": "preload",
    "sampler.n_step": 3,
    "schedule.start_steps": 4000,
    "schedule.starter": "base",
}

# Wagenmaker et al. 2025, "Steering Your Diffusion Policy with Latent Space RL" (arXiv 2506.15799), DSRL-NA, by its
# code for Can (ajwagen/dsrl): noise within 1.5, three layers of 2048 with tanh and LayerNorm, two critics and their
# minimum, target entropy 0; 20 updates and 10 of the noise's critics for 4 environments of 4 actions each, discount
# 0.99 for these 4; 1,501 such steps of the base first. That the noise begins around 0 is ours.
DSRL: Values = SAC | {
    "updates": 5,
    "per_steps": 4,
    "actor.composer": "steering",
    "actor.bound": (1.5,),
    "actor.hidden": (2048, 2048, 2048),
    "actor.has_norm": True,
    "actor.activation": "tanh",
    "actor.begins_at_zero": True,
    "learner.hidden": (2048, 2048, 2048),
    "learner.has_norm": True,
    "learner.activation": "tanh",
    "learner.target_entropy": 0.0,
    "learner.noise_every": 2,
    "learner.noise_own_share": 0.0,
    "sampler.gamma": 0.9975,
    "schedule.start_steps": 24_000,
    "schedule.starter": "base",
}

# Uchendu et al. 2023, "Jump-Start Reinforcement Learning" (arXiv 2204.02372), algorithm 1: the base acts first, ever
# shorter. On SAC; ten stages as in the paper's curriculum. Set schedule.guide_steps to the length of the task.
JSRL: Values = SAC | {
    "schedule.starter": "base",
    "schedule.guide_steps": 100,
    "schedule.guide_stages": 10,
    "schedule.guide_tolerance": 0.1,
}
