"""What test_distribution.py starts as processes of their own: `python train_together.py TASK ARGUMENTS...`."""

import json
import os
import signal
import sys
from pathlib import Path


def train(strategy: str, data: str, out: str, settings: str) -> None:
    """Train on two devices, interrupted within the second epoch and resumed; then on one."""
    if strategy == "mirrored":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

    import keras

    from atlalign.training import TrainingConfig, fit, resume

    class CtrlC(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 3:
                os.kill(os.getpid(), signal.SIGINT)

    def config(name: str, strategy: str) -> TrainingConfig:
        return TrainingConfig(data=data, out=Path(out, name), strategy=strategy, **json.loads(settings))

    try:
        fit(config("two", strategy), callbacks=[CtrlC()])
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")
    resume(Path(out, "two"))
    if os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0") == "0":
        fit(config("one", "none"))


def agree(data: str, out: str) -> None:
    """Connect, then compare what is the same and what is not."""
    from atlalign.cli.quiet import load_keras
    from atlalign.errors import AtlalignError
    from atlalign.training import TrainingConfig
    from atlalign.training.distribution import open_devices

    load_keras()  # as the commands do, before they connect
    devices = open_devices(TrainingConfig(kind="global", data=data, out=out, strategy="data-parallel"))
    sys.stdout.write(f"process {devices.process} of {devices.processes}, {devices.count} devices\n")
    sys.stdout.write(f"any {devices.any_process(devices.process == 1)} none {devices.any_process(False)}\n")
    devices.require_same({"seed": 1})
    try:
        devices.require_same({"seed": devices.process})
    except AtlalignError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    {"train": train, "agree": agree}[sys.argv[1]](*sys.argv[2:])
