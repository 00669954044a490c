"""Every study by its name."""

from collections.abc import Mapping

from gan_jax.errors import UserError, nearest
from studies import (
    architectures,
    balance,
    cleaning,
    data_size,
    few_images,
    few_labels,
    labels,
    one_pair,
    reuse,
)
from studies.study import Study

STUDIES: Mapping[str, Study] = {
    module.STUDY.name: module.STUDY
    for module in (
        architectures,
        balance,
        cleaning,
        data_size,
        few_images,
        few_labels,
        labels,
        one_pair,
        reuse,
    )
}


def find(name: str) -> Study:
    """The study of that name.

    Raises:
      UserError: there is none.
    """
    if name not in STUDIES:
        raise UserError(f'no study {name!r}: {nearest(name, STUDIES)}')
    return STUDIES[name]
