"""The API's process."""

import pytest

from app.api import run
from app.api.server import listening
from app.service.ports import PortError
from app.settings import Settings


def test_a_port_that_is_taken_is_named_with_its_holder(capsys: pytest.CaptureFixture[str]) -> None:
    """The error says which process holds the port and what to set."""
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(PortError, match=rf"port {port} \(API\) is taken by .+ set BTC_API_PORT"):
            listening("127.0.0.1", port)
        assert run(Settings(api_port=port)) == 1
    assert capsys.readouterr().err.startswith(f"btc api: port {port} (API) is taken by")
