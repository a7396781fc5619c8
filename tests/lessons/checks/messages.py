"""What a check says of a wrong answer."""

import pytest

from gemma3_edu.lessons.checks import CheckError


def message(check, answer) -> str:
    with pytest.raises(CheckError) as caught:
        check(answer)
    return str(caught.value)
