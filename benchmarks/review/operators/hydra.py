"""Criterion 2, Hydra and the command line: the documented commands that do not work, or do something else."""

from __future__ import annotations

from benchmarks.review.operators._operator import Operator, chain, either, swap

_TRAIN, _MAIN, _CONFIG = "src/train.py", "src/main.py", "config/config.yaml"
_DECORATOR = '@hydra.main(version_base="1.3", config_path="../config", config_name="config")\n'
_BODY = "    configure_mode(cfg)\n    train(cfg)\n"
_NO_STORE = chain(
    swap(
        _MAIN,
        ('if __name__ == "__main__":\n    register_runs()\n    main()\n', 'if __name__ == "__main__":\n    main()\n'),
    ),
    swap(
        _MAIN,
        (
            '    store = ConfigStore.instance()\n    for path in sorted(RUNS.glob("*.yaml")):\n'
            '        store.store(group="run", name=path.stem, node=OmegaConf.load(path), package="_global_")\n',
            '    print(sorted(RUNS.glob("*.yaml")))\n',
        ),
    ),
    swap(_MAIN, ("from hydra.core.config_store import ConfigStore\n", "")),
    swap(_CONFIG, ("  - run: ???            # run=<run id> loads config/runs/<run id>.yaml\n", "")),
    swap(_CONFIG, ("run_id: ???\n", "run: ???\nrun_id: ???\n")),
)
_CHILD = (
    "    configure_mode(cfg)\n"
    '    command = [sys.executable, "-u", "-m", "src.train", f"run={cfg.run_id}", f"mode={cfg.mode}"]\n'
    '    subprocess.run([*command, f"results_dir={cfg.results_dir}"], check=True)\n'
)
_CHILD_PARTS = chain(
    swap(_MAIN, (_BODY, _CHILD)),
    swap(_MAIN, ("from pathlib import Path\n", "import subprocess\nimport sys\nfrom pathlib import Path\n")),
    swap(_MAIN, ("from src.train import train\n\n", "")),
    swap(
        _TRAIN,
        (
            "def train(cfg: DictConfig) -> None:\n",
            '@hydra.main(version_base="1.3", config_path="../config", config_name="config")\n'
            "def train(cfg: DictConfig) -> None:\n",
        ),
    ),
    swap(_TRAIN, ("import optuna\n", "import hydra\nimport optuna\n")),
    lambda files: {**files, _TRAIN: files[_TRAIN] + '\n\nif __name__ == "__main__":\n    train()\n'},
)

OPERATORS = (
    Operator(
        "no-version-base",
        "hydra.main has no version_base: Hydra warns and falls back to the behaviour of version 1.1.",
        ("GL210",),
        swap(_MAIN, (_DECORATOR, _DECORATOR.replace('version_base="1.3", ', ""))),
    ),
    Operator(
        "wrong-config-path",
        "hydra.main looks for the configuration in a folder that is not there.",
        ("GL202",),
        swap(_MAIN, (_DECORATOR, _DECORATOR.replace("../config", "../conf"))),
    ),
    Operator(
        "config-path-of-root",
        "The path of the configuration is written as seen from the root, but Hydra starts at the file.",
        ("GL202",),
        swap(_MAIN, (_DECORATOR, _DECORATOR.replace("../config", "config"))),
    ),
    Operator(
        "wrong-config-name",
        "hydra.main names a configuration file that is not there.",
        ("GL202",),
        swap(_MAIN, (_DECORATOR, _DECORATOR.replace('config_name="config"', 'config_name="default"'))),
    ),
    Operator(
        "no-hydra",
        "Hyper-parameters come from argparse with defaults in the code; the configuration is not read.",
        ("GL213",),
        chain(
            swap(_MAIN, (_DECORATOR + "def main(cfg: DictConfig) -> None:\n", "def main() -> None:\n")),
            swap(
                _MAIN,
                (
                    _BODY,
                    '    parser = argparse.ArgumentParser()\n    parser.add_argument("--run", required=True)\n'
                    '    parser.add_argument("--mode", choices=MODES, required=True)\n'
                    '    parser.add_argument("--lr", type=float, default=2e-4)\n'
                    "    given = parser.parse_args()\n"
                    '    cfg = OmegaConf.create({"run_id": given.run, "mode": given.mode, "lr": given.lr})\n' + _BODY,
                ),
            ),
            swap(
                _MAIN, ("from pathlib import Path\n\nimport hydra\n", "import argparse\nfrom pathlib import Path\n\n")
            ),
        ),
        seen_at=(_TRAIN,),
    ),
    Operator(
        "run-file-nested-under-its-group",
        "A run file is put below the key run: nothing that the code reads is there.",
        ("GL206",),
        swap(_MAIN, (', package="_global_")', ")")),
        seen_at=(_TRAIN, _CONFIG, "src/model.py", "src/preprocess.py"),
    ),
    Operator(
        "run-key-not-accepted",
        "The defaults list has no run: Hydra rejects the documented run=<id>.",
        ("GL203",),
        swap(
            _CONFIG,
            ("  - run: ???            # run=<run id> loads config/runs/<run id>.yaml\n", ""),
            ("  - run: ???          # run=<run id> loads config/runs/<run id>.yaml\n", ""),
        ),
        seen_at=(_MAIN,),
    ),
    Operator(
        "run-file-overridden-by-defaults",
        "config.yaml comes after the run file in the defaults list and overrides every value of it.",
        ("GL217",),
        either(
            swap(
                _CONFIG,
                (
                    "  - _self_\n  - run: ???            # run=<run id> loads config/runs/<run id>.yaml\n",
                    "  - run: ???            # run=<run id> loads config/runs/<run id>.yaml\n  - _self_\n",
                ),
            ),
            swap(
                _CONFIG,
                (
                    "  - _self_\n  - run: ???          # run=<run id> loads config/runs/<run id>.yaml\n",
                    "  - run: ???          # run=<run id> loads config/runs/<run id>.yaml\n  - _self_\n",
                ),
            ),
        ),
    ),
    Operator(
        "defaults-name-a-missing-group",
        "The defaults list names a group that has no folder.",
        ("GL204",),
        swap(_CONFIG, ("defaults:\n  - _self_\n", "defaults:\n  - _self_\n  - model: qwen\n")),
    ),
    Operator(
        "merge-into-struct",
        "A run file with keys that config.yaml lacks is merged into Hydra's struct configuration, which raises.",
        ("GL207",),
        chain(
            _NO_STORE,
            swap(_MAIN, (_BODY, '    cfg = OmegaConf.merge(cfg, OmegaConf.load(RUNS / f"{cfg.run}.yaml"))\n' + _BODY)),
            swap(_CONFIG, ("    cooldown_share: 0.25\n", "")),
        ),
    ),
    Operator(
        "run-file-not-composed",
        "The run file is loaded by hand over what Hydra composed: overrides of its keys on the command line are lost.",
        ("GL211",),
        chain(
            _NO_STORE,
            swap(
                _MAIN,
                (
                    _BODY,
                    "    OmegaConf.set_struct(cfg, False)\n"
                    '    cfg = OmegaConf.merge(cfg, OmegaConf.load(RUNS / f"{cfg.run}.yaml"))\n' + _BODY,
                ),
            ),
        ),
    ),
    Operator(
        "wrong-folder-of-run-files",
        "Run files are looked for in config/run, but they are in config/runs.",
        ("GL201",),
        swap(
            _MAIN,
            ('"config" / "runs"\nMODES', '"config" / "run"\nMODES'),
            ('register_runs(ROOT / "config" / "runs")', 'register_runs(ROOT / "config" / "run")'),
        ),
    ),
    Operator(
        "results-dir-not-accepted",
        "config.yaml has no results_dir: Hydra rejects the documented results_dir=<path>.",
        ("GL203",),
        swap(_CONFIG, ("results_dir: ???\n", "")),
        seen_at=(_MAIN, _TRAIN),
    ),
    Operator(
        "mode-not-accepted",
        "config.yaml has no mode: Hydra rejects the documented mode=trial.",
        ("GL203",),
        swap(_CONFIG, ("mode: ???               # trial | full\n", ""), ("mode: ???             # trial | full\n", "")),
        seen_at=(_MAIN, _TRAIN),
    ),
    Operator(
        "results-dir-not-used",
        "results_dir is accepted, but training writes nothing there.",
        ("GL214",),
        chain(
            swap(_TRAIN, ('    model.save_pretrained(str(Path(cfg.results_dir) / cfg.run_id / "adapter"))\n', "")),
            swap(
                _TRAIN,
                ("    folder = Path(cfg.results_dir) / cfg.run_id\n", '    folder = Path("outputs") / cfg.run_id\n'),
            ),
            swap(_CONFIG, ("    dir: ${results_dir}/${run_id}\n", "    dir: outputs/${run_id}\n")),
        ),
        seen_at=(_MAIN,),
    ),
    Operator(
        "overrides-not-passed-on",
        "main.py starts training as a child and passes on three keys: every other override is lost.",
        ("GL212",),
        _CHILD_PARTS,
    ),
    Operator(
        "child-in-another-folder",
        "Hydra changes into its output folder, where the child cannot find src.train.",
        ("GL209",),
        chain(
            _CHILD_PARTS,
            swap(
                _MAIN,
                (_DECORATOR, _DECORATOR.replace('version_base="1.3", ', "")),
            ),
        ),
    ),
)
