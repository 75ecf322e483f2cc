"""MindSpore's profiler around a run: what `pfold predict --profile FOLDER` writes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def profiled(folder: Path | None) -> Iterator[None]:
    """Profile what runs within it into a folder; None profiles nothing.

    On an NPU its launches and idle times are in it; on CPU the time of every operator. MindInsight and Chrome's tracing
    page read the result.
    """
    if folder is None:
        yield
        return
    from mindspore import context
    from mindspore.profiler import ProfilerActivity, profile, tensorboard_trace_handler

    activities = [ProfilerActivity.CPU]
    if context.get_context("device_target") == "Ascend":
        activities.append(ProfilerActivity.NPU)
    folder.mkdir(parents=True, exist_ok=True)
    with profile(activities=activities, on_trace_ready=tensorboard_trace_handler(str(folder))) as profiler:
        yield
        profiler.step()
