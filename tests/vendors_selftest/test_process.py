"""A simulator as a process: it prints its base URL, and the control endpoint steers it."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY
from tests.vendors.process import VendorProcess


@pytest.fixture(scope="module")
def vendor() -> Iterator[VendorProcess]:
    with VendorProcess.start("openai") as process:
        yield process


def status_of_models(vendor: VendorProcess) -> int:
    request = urllib.request.Request(f"{vendor.base_url}/models", headers={"authorization": f"Bearer {API_KEY}"})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_requests_faults_and_reset(vendor: VendorProcess) -> None:
    vendor.add_faults(Fault("status", status=503), Fault("status", status=500))
    assert status_of_models(vendor) == 503
    (record,) = vendor.requests()
    assert (record["target"], record["status"], record["fault"]) == ("/v1/models", 503, "status")
    assert base64.b64decode(record["body_base64"]) == b""
    assert abs(record["arrived_at_s"] - time.monotonic()) < 60  # one clock for all processes
    vendor.reset()
    assert vendor.requests() == []
    assert status_of_models(vendor) == 200


def test_wrong_control_requests_are_400(vendor: VendorProcess) -> None:
    url = vendor.base_url.removesuffix("/v1") + "/__sim__/faults"
    request = urllib.request.Request(url, data=json.dumps({"kind": "status", "statsu": 1}).encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    assert b"statsu" in caught.value.read()
    caught.value.close()


def test_the_port_refuses_for_a_while(vendor: VendorProcess) -> None:
    vendor.refuse_connections(for_s=1.0)
    deadline_s = time.monotonic() + 15
    refused = False
    while time.monotonic() < deadline_s:
        try:
            status_of_models(vendor)
        except OSError:  # refused, or reset while it was being refused
            refused = True
        else:
            if refused:
                break
        time.sleep(0.01)
    assert refused
    assert status_of_models(vendor) == 200
