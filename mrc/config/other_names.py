"""Other names of settings: what Hugging Face's examples and pipelines call them, and what we do."""

from collections.abc import Mapping

from mrc.config.setting import Setting, option
from mrc.wording import nearest

# Their name -> ours, the first of which a command has, with the value to give where it is fixed.
SAME = {
    "model": "checkpoint",
    "model_name_or_path": "model checkpoint",
    "model_name": "model checkpoint",
    "model_id": "model checkpoint",
    "dataset_name": "train_file data",
    "dataset": "train_file data",
    "train_data": "train_file",
    "eval_file": "validation_file data",
    "validation_file": "data",
    "dev_file": "validation_file data",
    "test_file": "data",
    "predict_file": "data",
    "test_data": "data",
    "input_file": "data",
    "output_file": "output",
    "max_train_samples": "max_train_examples",
    "max_eval_samples": "max_eval_examples",
    "max_predict_samples": "max_eval_examples",
    "max_val_samples": "max_eval_examples",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "model_max_length": "max_length",
    "doc_stride": "stride",
    "max_query_length": "max_question_length",
    "max_question_len": "max_question_length",
    "max_answer_len": "max_answer_length",
    "n_best_size": "n_best",
    "null_score_diff_threshold": "null_threshold",
    "topk": "top_k",
    "per_device_train_batch_size": "batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size batch_size",
    "per_gpu_eval_batch_size": "eval_batch_size batch_size",
    "predict_batch_size": "batch_size",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "num_train_steps": "max_steps",
    "max_train_steps": "max_steps",
    "lr": "learning_rate",
    "lr_scheduler_type": "schedule",
    "lr_scheduler": "schedule",
    "num_warmup_steps": "warmup_steps",
    "warmup": "warmup_ratio",
    "warmup_proportion": "warmup_ratio",
    "wd": "weight_decay",
    "grad_accum": "gradient_accumulation_steps",
    "clip_grad_norm": "max_grad_norm",
    "gradient_clip_val": "max_grad_norm",
    "label_smoothing_factor": "label_smoothing",
    "eval_steps": "eval_every",
    "logging_steps": "log_every",
    "save_steps": "save_every",
    "save_total_limit": "keep",
    "metric_for_best_model": "metric_for_best",
    "early_stopping_patience": "patience",
    "resume_from_checkpoint": "resume",
    "hub_model_id": "push_to_hub repo",
    "torch_compile": "compile",
    "use_peft": "lora_rank",
    "lora_r": "lora_rank",
    "torch_dtype": "precision",
    "dtype": "precision",
    "mixed_precision": "precision",
    "random_seed": "seed",
    "full_determinism": "deterministic",
    "output_folder": "output_dir",
    "save_dir": "output_dir",
}
# Their name -> a setting of ours with the value that says the same.
WITH_VALUE = {
    "fp16": ("precision", "fp16"),
    "bf16": ("precision", "bf16"),
    "fp16_full_eval": ("precision", "fp16"),
    "bf16_full_eval": ("precision", "bf16"),
    "no_cuda": ("device", "cpu"),
    "use_cpu": ("device", "cpu"),
}
# Their name -> why there is none.
NONE = {
    "do_train": "train.py always trains",
    "do_eval": "what is held out is scored during training, and evaluate.py scores by itself",
    "do_predict": "mrc predict writes the answers to a file of questions",
    "config_name": "a model comes with its configuration",
    "tokenizer_name": "a model comes with its tokenizer",
    "version_2_with_negative": "questions without an answer are recognized in the data",
    "null_score_diff_threshold": "the best threshold is found when the reader is scored",
    "test_file": "mrc predict and evaluate.py read the questions of a test",
    "overwrite_output_dir": "no run overwrites another, so --output-dir must be new",
    "overwrite_cache": "cached features are found by their content, and never stale",
    "dataset_config_name": "it goes behind the name of the data set, as in klue:mrc",
    "evaluation_strategy": "scoring is after each epoch, or as often as --eval-every says",
    "eval_strategy": "scoring is after each epoch, or as often as --eval-every says",
    "save_strategy": "a run is saved after each scoring, and as often as --save-every says",
    "logging_strategy": "a line is logged as often as --log-every says",
    "load_best_model_at_end": "the best checkpoint is always kept, and used at the end",
    "greater_is_better": "all scores are better when they are higher",
    "pad_to_max_length": "batches are padded to their longest window, which gives the same result",
    "preprocessing_num_workers": "tokenizing uses all processors by itself",
    "dataloader_num_workers": "features are in memory before the first step",
    "dataloader_pin_memory": "it is done where there is a GPU",
    "group_by_length": "features of similar length share a batch already",
    "cache_dir": "the environment variable HF_HOME names the folder of downloads",
    "report_to": "--tensorboard writes for TensorBoard; the run's folder has the log as JSON Lines",
    "logging_dir": "--tensorboard writes to the run's folder",
    "model_revision": "download the revision, and give its folder as the model",
    "revision": "download the revision, and give its folder as the model",
    "use_auth_token": "log in with `hf auth login`, or set HF_TOKEN",
    "token": "log in with `hf auth login`, or set HF_TOKEN",
    "hub_token": "log in with `hf auth login`, or set HF_TOKEN",
    "hub_private_repo": "a new repository is private already",
    "hub_strategy": "the best checkpoint is uploaded once, at the end",
    "use_fast_tokenizer": "every tokenizer is a fast one",
    "use_slow_tokenizer": "every tokenizer is a fast one",
    "do_lower_case": "the model's own tokenizer knows whether it does",
    "model_type": "the model's configuration says it",
    "optim": "the optimizer is AdamW",
    "optimizer": "the optimizer is AdamW",
    "adam_beta1": "AdamW has beta1 0.9 and beta2 0.999",
    "adam_beta2": "AdamW has beta1 0.9 and beta2 0.999",
    "adam_epsilon": "AdamW has the epsilon 1e-8",
    "local_rank": "torchrun tells each process its place",
    "ddp_find_unused_parameters": "parameters without a gradient are found and frozen",
    "deepspeed": "--fsdp under torchrun shards the model instead",
    "disable_tqdm": "there is a progress bar on a terminal only",
    "log_level": "messages have one level",
    "remove_unused_columns": "columns that are not used stay out by themselves",
    "ignore_data_skip": "a resumed run continues exactly where it was saved",
}


def answer(name: str, known: Mapping[str, Setting], *, in_file: bool = False) -> str | None:
    """What to write in place of a setting's other name; None if the name is not known here.

    Args:
        name: of a flag, with or without its hyphens.
        known: the settings that the command has, by name.
        in_file: whether it is a key of a config file, and no flag.
    """
    key = _key(name)
    if key in WITH_VALUE and WITH_VALUE[key][0] in known:
        setting, value = WITH_VALUE[key]
        return f"write {setting}: {value}" if in_file else f"write {option(setting)} {value}"
    ours = our_name(key, known)
    if ours:
        return f"write {ours if in_file else option(ours)}"
    if key in NONE:
        return f"leave it out; {NONE[key]}"
    return None


def our_name(name: str, known: Mapping[str, Setting]) -> str | None:
    """The setting that another name of it means here, or None."""
    if "train_file" in known:
        # There, --data names a part of the built-in corpus.
        known = {setting: known[setting] for setting in known if setting != "data"}
    ours = [setting for setting in SAME.get(_key(name), "").split() if setting in known]
    return ours[0] if ours else None


def _key(name: str) -> str:
    """A name as the tables above have it."""
    return name.lstrip("-").replace("-", "_").lower()


def no_such_setting(name: str, known: Mapping[str, Setting]) -> str:
    """What Python is told of a setting that is not known, with the one that may be meant."""
    advice = answer(name, known, in_file=True)
    if advice is None:
        match = nearest(name, known)
        advice = f"did you mean {match}?" if match else "help() of the class lists all"
    return f"no setting '{name}'; {advice}"
