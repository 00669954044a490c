"""TensorBoard event files without TensorFlow, by tensorboardX's record writer."""

from collections.abc import Iterator, Mapping
import contextlib
from pathlib import Path
import sys
import time
from typing import Any


class EventLog:
    """Appends scalars, images and text to one new event file; safe to use from several threads.

    tensorboardX's own `SummaryWriter` hands events to a thread that dies on a full disk and
    then blocks its caller for good; here the caller writes, and sees the error.
    """

    def __init__(self, directory: Path, purge_step: int | None = None):
        """Opens a file; TensorBoard forgets what older ones say of `purge_step` and later steps.

        Raises:
          OSError: the disk is full or the folder cannot be written.
        """
        with _without_torch():
            from tensorboardX import event_file_writer
            from tensorboardX.proto import event_pb2, summary_pb2, types_pb2
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._string = types_pb2.DT_STRING
        directory.mkdir(parents=True, exist_ok=True)
        # Names count in seconds: without the suffix, a quick resume would truncate its forerunner.
        self._file = event_file_writer.EventsWriter(str(directory / 'events'), f'.{time.time_ns()}')
        if purge_step is not None:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._write(step=purge_step, session_log=start)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds one point to the curve of each name."""
        value = self._summary.Value
        points = [value(tag=name, simple_value=number) for name, number in values.items()]
        self._write(step=step, summary=self._summary(value=points))

    def image(self, step: int, tag: str, png: bytes, shape: tuple[int, int, int]) -> None:
        """Adds an encoded image of `shape` (H, W, C)."""
        height, width, channels = shape
        image = self._summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=png
        )
        value = self._summary.Value(tag=tag, image=image)
        self._write(step=step, summary=self._summary(value=[value]))

    def text(self, step: int, tag: str, words: str) -> None:
        """Adds a line of text, for TensorBoard's tab of that name."""
        value = self._summary.Value(tag=tag)
        value.metadata.plugin_data.plugin_name = 'text'
        value.tensor.dtype = self._string
        value.tensor.tensor_shape.dim.add(size=1)
        value.tensor.string_val.append(words.encode())
        self._write(step=step, summary=self._summary(value=[value]))

    def flush(self) -> None:
        """Puts on disk what was added so far."""
        self._file.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._file.close()

    def _write(self, **fields: Any) -> None:
        self._file.write_event(self._event(wall_time=time.time(), **fields))


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """tensorboardX imports PyTorch wherever it is installed: seconds, for nothing used here."""
    hidden = 'torch' not in sys.modules
    if hidden:
        # Makes the import raise ImportError, which tensorboardX expects; typeshed has modules only.
        sys.modules['torch'] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules['torch']
