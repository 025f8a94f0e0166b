"""The sample resources that come with the product, for `sample NAME` and `demo`.

They are the files of `manifests/samples`: part of the package in a wheel, read from the checkout otherwise. Knows nothing of
what they mean.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


class SampleNotFoundError(LookupError):
    """There is no sample of that name; the text lists the names."""


def list_samples() -> tuple[str, ...]:
    """The names of all samples in their order, such as `01-minimal`."""
    return tuple(_files())


def read_sample(name: str) -> str:
    """The YAML text of one sample.

    A name may be given whole (`01-minimal`), by its number (`01`, `1`) or by its words (`minimal`).

    Raises:
        SampleNotFoundError: there is none of that name.
    """
    files = _files()
    for known, file in files.items():
        number, _, words = known.partition("-")
        if name.removesuffix(".yaml") in {known, number, number.lstrip("0"), words}:
            return file.read_text(encoding="utf-8")
    raise SampleNotFoundError(f"there is no sample {name!r}; the samples are {', '.join(files)}")


def _files() -> dict[str, Traversable]:
    folder: Traversable = resources.files("audit_event_operator") / "samples"
    if not folder.is_dir():  # an editable install or a plain checkout: the folder is only put in when a wheel is built
        folder = Path(__file__).parents[3] / "manifests" / "samples"
    return {
        file.name.removesuffix(".yaml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    }
