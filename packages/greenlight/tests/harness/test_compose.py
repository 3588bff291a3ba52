import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from pydantic import Field

from greenlight.errors import GreenlightError
from greenlight.harness.compose import check_command, check_keys, register_runs, validated
from greenlight.harness.modes import configure_mode
from greenlight.harness.sections import Section, with_values


class Training(Section):
    lr: float = Field(gt=0)
    epochs: int | None


class Config(Section):
    run_id: str
    mode: str
    results_dir: str
    training: Training


CONFIG = """
defaults: [_self_, {run: "???"}]
run_id: ???
mode: ???
results_dir: ???
training: {lr: 1.0, epochs: null}
"""


@pytest.fixture
def experiment(tmp_path):
    runs = tmp_path / "config" / "runs"
    runs.mkdir(parents=True)
    (tmp_path / "config" / "config.yaml").write_text(CONFIG)
    (runs / "a.yaml").write_text("run_id: a\ntraining: {lr: 2.0}\n")
    GlobalHydra.instance().clear()
    ConfigStore.instance().repo.pop("run", None)
    yield tmp_path / "config"
    ConfigStore.instance().repo.pop("run", None)


def composed(config, *overrides):
    register_runs(config / "runs")
    with initialize_config_dir(str(config), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def test_a_run_file_overrides_the_defaults_and_the_command_line_overrides_the_run_file(experiment):
    said = ["run=a", "mode=full", "results_dir=r"]
    assert validated(composed(experiment, *said), Config).training == Training(lr=2.0, epochs=None)
    assert validated(composed(experiment, *said, "training.lr=3"), Config).training.lr == 3.0


def test_a_misspelt_key_in_a_run_file_is_refused_with_the_nearest_valid_name(experiment):
    (experiment / "runs" / "a.yaml").write_text("run_id: a\ntraining: {epoch: 3}\n")
    with pytest.raises(GreenlightError, match="no key 'epoch' in 'training'; did you mean 'epochs'"):
        validated(composed(experiment, "run=a", "mode=full", "results_dir=r"), Config)


def test_a_key_added_with_a_plus_is_refused(experiment):
    cfg = composed(experiment, "run=a", "mode=full", "results_dir=r", "+training.momentum=0.9")
    with pytest.raises(GreenlightError, match="no key 'momentum' in 'training'"):
        validated(cfg, Config)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (["mode=full", "results_dir=r"], "run is missing: say which run, run=<id>; valid here: a"),
        (["run=b", "mode=full", "results_dir=r"], "run=b: no such file in config/runs; valid here: a"),
        (["run=a", "results_dir=r"], "mode is missing: say mode=trial"),
        (["run=a", "results_dir=r", "mode=quick"], "mode=quick: say mode=trial"),
        (["run=a", "mode=full"], "results_dir is missing"),
        (
            ["run=a", "mode=full", "results_dir=r", "trainig.lr=3"],
            "no key 'trainig' at the top; did you mean 'training'",
        ),
        (["run=a", "mode=full", "results_dir=r", "+training.lrr=3"], "no key 'lrr' in 'training'; did you mean 'lr'"),
        (["run=a", "mode=full", "results_dir=r", "lr"], "arguments have the form key=value"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_names_the_remedy(said, message):
    def check():
        check_command(said, ["a"])
        check_keys(said, Config)

    with pytest.raises(GreenlightError, match=r"^[^\n]*$") as caught:
        check()
    assert message in str(caught.value)


def test_the_message_of_a_value_out_of_range_holds_the_value(experiment):
    with pytest.raises(GreenlightError, match=r"training.lr=-1.0: .*greater than 0"):
        validated(composed(experiment, "run=a", "mode=full", "results_dir=r", "training.lr=-1.0"), Config)


def test_a_run_file_whose_id_is_not_its_name_is_refused(experiment):
    (experiment / "runs" / "b.yaml").write_text("run_id: c\n")
    with pytest.raises(GreenlightError, match="set run_id: b"):
        register_runs(experiment / "runs")


def test_a_run_file_that_is_not_yaml_is_refused(experiment):
    (experiment / "runs" / "b.yaml").write_text("run_id: [c\n")
    with pytest.raises(GreenlightError, match=r"b\.yaml: not a valid run file"):
        register_runs(experiment / "runs")


def test_a_trial_disables_tracking_and_search_and_a_full_run_tracks_online(experiment):
    from omegaconf import OmegaConf

    content = {"mode": "trial", "wandb": {"mode": "online"}, "optuna": {"n_trials": 50}, "training": {"epochs": None}}
    trial = OmegaConf.create(content)
    configure_mode(trial, trial={"training.epochs": 1})
    assert (trial.wandb.mode, trial.optuna.n_trials, trial.training.epochs) == ("disabled", 0, 1)
    full = OmegaConf.create(content | {"mode": "full", "wandb": {"mode": "disabled"}})
    configure_mode(full, trial={"training.epochs": 1})
    assert (full.wandb.mode, full.optuna.n_trials, full.training.epochs) == ("online", 50, None)
    with pytest.raises(GreenlightError, match="mode=fast"):
        configure_mode(OmegaConf.create(content | {"mode": "fast"}), trial={})


def test_replacing_a_value_leaves_the_original_alone_and_refuses_an_unknown_path():
    before = {"model": {"lora": {"r": 64}}}
    assert with_values(before, {"model.lora.r": 8}) == {"model": {"lora": {"r": 8}}}
    assert before == {"model": {"lora": {"r": 64}}}
    for path in ("model.lora.alpha", "model.adapter.r"):
        with pytest.raises(GreenlightError, match=path):
            with_values(before, {path: 1})
