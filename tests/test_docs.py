"""The pages name what is there: files, flags, commands; and nothing in them was left to be filled in."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from mrc.__main__ import COMMANDS
from mrc.commands.ask import AskConfig
from mrc.commands.export import ExportConfig
from mrc.commands.inspect import InspectConfig
from mrc.commands.predict import PredictConfig
from mrc.commands.push import PushConfig
from mrc.commands.serve import ServeConfig
from mrc.config.evaluate import EvalConfig
from mrc.config.train import TrainConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = (
    TrainConfig,
    EvalConfig,
    InspectConfig,
    AskConfig,
    PredictConfig,
    ServeConfig,
    ExportConfig,
    PushConfig,
)
OF_OTHERS = {
    "--nproc-per-node",
    "--nproc_per_node",
    "--nnodes",
    "--node-rank",
    "--node_rank",
    "--rdzv-backend",
    "--rdzv-endpoint",
    "--rdzv-id",
    "--rdzv_backend",
    "--rdzv_endpoint",
    "--rdzv_id",
    "--local-dir",
    "--tokenizer",
    "--dtype",
    "--questions",
    "--loop-questions",
    "--rounds",
    "--features",
    "--heads",
    "--clients",
    "--score",
    "--seeds",
    "--threads",
    "--help",
    "--master-addr",
    "--master-port",
    "--logdir",
}  # torchrun, hf, benchmarks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page(page):
    text = page.read_text("utf-8")
    assert not re.findall(r"^[A-Z]{4,}$|TODO|FIXME|XXX", text, flags=re.M)
    assert text.count("```") % 2 == 0
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
    known = {
        "--" + field.name.replace("_", "-") for config in CONFIGS for field in fields(config)
    } | OF_OTHERS
    assert not set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) - known
    assert set(re.findall(r"python -m mrc (\w+)", text)) <= set(COMMANDS)


def test_every_page_is_linked():
    text = PAGES[0].read_text("utf-8")
    assert not [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text]
