"""The range of every number among the arguments of a training, so that a mistake is known before data are read."""

from ..number_ranges import Range


_SHARE = Range(0, 1)
_BELOW_ONE = Range(0, 1, below=True)
_POSITIVE = Range(0, above=True)
_SEED = Range(0, 2**32 - 1)  # numpy takes no other
_FROM_0, _FROM_1 = Range(0), Range(1)

MODEL_RANGES = {"lora_rank": _FROM_1, "lora_alpha": _FROM_1, "lora_dropout": _BELOW_ONE}
DATA_RANGES = {
    "num_rows": _FROM_1,
    "scene_mention_rates": _SHARE,
    "temperature": _POSITIVE,
    "concept_weights": _FROM_0,
    "pairs_per_concept": _FROM_1,
    "held_out_images": _FROM_0,
    "num_proc": _FROM_1,
    "shuffle_buffer": _FROM_0,
    "slot_model_captions": _FROM_1,
}
TRAINING_RANGES = {
    "num_negatives": _FROM_0,
    "own_negatives_weight": _FROM_0,
    "margin_weight": _FROM_0,
    "margin": Range(0, 2, above=True),  # cosines differ by 2 at most
    "focal_gamma": _FROM_0,
    "distillation_weight": _FROM_0,
    "twin_share": _SHARE,
    "twin_weight": _FROM_0,
    "grad_cache_rows": _FROM_1,
    "label_smoothing_factor": _BELOW_ONE,
    "per_device_train_batch_size": _FROM_1,
    "per_device_eval_batch_size": _FROM_1,
    "gradient_accumulation_steps": _FROM_1,
    "eval_accumulation_steps": _FROM_1,
    "num_train_epochs": _POSITIVE,
    "max_steps": Range(-1),
    "learning_rate": _FROM_0,
    "warmup_steps": _FROM_0,
    "weight_decay": _FROM_0,
    "adam_beta1": _BELOW_ONE,
    "adam_beta2": _BELOW_ONE,
    "adam_epsilon": _FROM_0,
    "max_grad_norm": _FROM_0,
    "neftune_noise_alpha": _FROM_0,
    "torch_empty_cache_steps": _FROM_1,
    "logging_steps": _POSITIVE,
    "eval_steps": _FROM_0,
    "eval_delay": _FROM_0,
    "save_steps": _POSITIVE,
    "save_total_limit": _FROM_0,
    "seed": _SEED,
    "data_seed": _SEED,
    "dataloader_num_workers": _FROM_0,
    "dataloader_prefetch_factor": _FROM_1,
    "ddp_bucket_cap_mb": _FROM_1,
    "ddp_timeout": _FROM_1,
    "local_rank": Range(-1),
}
