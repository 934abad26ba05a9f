"""Settings: defaults, files, presets and options, and what is refused."""

import pytest

from atlalign.errors import InvalidFileError
from atlalign.training import TrainingConfig, effective_config, read_config, write_config
from atlalign.weights import default_models

RUN = {"data": "pairs.h5", "out": "run"}


@pytest.fixture
def settings(tmp_path):
    def write(text):
        path = tmp_path / "train.toml"
        path.write_text(text)
        return path

    return write


def test_an_option_wins_over_the_file_and_the_file_over_the_default(settings):
    file = settings("epochs = 30\nbatch_size = 4")
    config = effective_config("local", {**RUN, "epochs": "7"}, file)
    assert (config.epochs, config.batch_size, config.learning_rate) == (7, 4, 1e-3)


def test_an_option_can_unset_what_the_file_sets(settings):
    assert effective_config("global", {**RUN, "clip_norm": "none"}, settings("clip_norm = 1.0")).clip_norm is None


def test_the_paths_of_a_file_start_from_its_folder(settings, tmp_path):
    config = effective_config("global", {"out": "run"}, settings('data = ["a.h5", "sub/b.h5"]'))
    assert config.data == (tmp_path / "a.h5", tmp_path / "sub" / "b.h5")


def test_default_names_the_networks_that_come_with_the_package(settings):
    default = default_models()
    config = effective_config("local", {**RUN, "init_from": "default"}, settings('global_model = "default"'))
    assert (config.init_from, config.global_model) == (default["local"], default["global"])
    assert effective_config("position", {**RUN, "init_from": "default"}).init_from == default["position"]


def test_an_unknown_key_is_refused_with_the_nearest_known_one(settings):
    with pytest.raises(ValueError, match=r"Received: learning_rat\. Did you mean learning_rate\?"):
        effective_config("global", RUN, settings("learning_rat = 0.1"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": "0"}, "epochs: .* greater than or equal to 1.*Received: '0'"),
        ({"losses_weights": "0,0"}, "losses_weights: .*at least one weight must be above 0"),
        ({"optimizer": "best"}, "optimizer: .*Received: 'best'"),
        ({"freeze": "encoder"}, "freeze needs init_from"),
        ({"diffeomorphic": True}, "diffeomorphic is a setting of the other network"),
        ({"ema": "1.5"}, "ema: .*less than 1"),
        ({"split_by": "stain"}, "split_by"),
        ({"learning_rate": "nan"}, "learning_rate"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_in_one_line(given, message):
    with pytest.raises(ValueError, match=message) as caught:
        effective_config("global", {**RUN, **given})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["epochs 30", "\x00", "a = " + "[" * 5000, "[table]\nepochs = 3"])
def test_a_file_that_is_no_list_of_settings_is_refused_in_one_line(settings, text):
    with pytest.raises((ValueError, InvalidFileError)) as caught:
        effective_config("global", RUN, settings(text))
    assert "\n" not in str(caught.value)


def test_a_file_for_the_other_network_is_refused(settings):
    with pytest.raises(InvalidFileError, match="for the network that is trained, local"):
        effective_config("local", RUN, settings('kind = "global"'))


def test_what_is_written_is_read_again(tmp_path):
    config = TrainingConfig(kind="local", **RUN, losses=("mse", "grad&vdclip2"), clip_norm=2, end_filters="8,8")
    write_config(tmp_path / "config.toml", config)
    assert read_config(tmp_path / "config.toml") == config


def test_the_published_losses_are_a_preset():
    config = effective_config("local", RUN, preset="paper")
    lpips = "perceptual_loss_net-lin_vgg"
    assert config.losses == (lpips, f"{lpips}&vdclip2", lpips)
    assert config.losses_weights == (1, 1, 1)
    assert not effective_config("global", RUN, preset="paper").centred


def test_without_data_the_remedy_is_named():
    with pytest.raises(ValueError, match=r"needs the dataset, DATA\.h5"):
        effective_config("global", {"out": "run"})
