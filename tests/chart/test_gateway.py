"""The way in from outside: HTTPRoutes of the Gateway API, or an Ingress."""

from typing import Any

import pytest

from tests.chart.objects import COMPONENT, Object, of_kind, one_of, render, sets, values_of

HOSTS = {"web-app": "api.btc.example", "dashboard": "btc.example", "kafka-ui": "kafka.btc.example"}


def routes(values: dict[str, Any]) -> dict[str, Object]:
    """Return the HTTPRoutes by component."""
    return {one["metadata"]["labels"][COMPONENT]: one["spec"] for one in of_kind(render(values), "HTTPRoute")}


@pytest.mark.parametrize("name", sets())
def test_routes_have_only_fields_of_the_standard_channel(name: str) -> None:
    """As of Gateway API 1.6.1; sticky sessions are the one exception, where the values ask for them."""
    for spec in routes(values_of(name)).values():
        assert spec.keys() <= {"parentRefs", "hostnames", "rules"}
        for rule in spec["rules"]:
            more = {"sessionPersistence"} if name == "ci/gateway-session-values" else set()
            assert rule.keys() <= {"name", "matches", "filters", "backendRefs", "timeouts"} | more
            assert rule.get("timeouts", {}).keys() <= {"request", "backendRequest"}


@pytest.mark.parametrize("component", HOSTS)
def test_a_route_leads_from_its_host_to_its_service(component: str) -> None:
    """Through the named Gateway to a port that the Service has."""
    objects = render(values_of("ci/gateway-values"))
    spec = one_of(objects, "HTTPRoute", component)["spec"]
    assert spec["parentRefs"] == [{"name": "gateway", "namespace": "gateway-system"}]
    assert spec["hostnames"] == [HOSTS[component]]
    (backend,) = spec["rules"][0]["backendRefs"]
    service = one_of(objects, "Service", component)
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}


@pytest.mark.parametrize(("wanted", "timeouts"), [("0s", {"request": "0s"}), ("1h", {"request": "1h"}), ("", None)])
def test_no_route_cuts_a_websocket_unless_told(wanted: str, timeouts: dict[str, str] | None) -> None:
    """0s is no timeout; a value sets one, an empty one leaves it to the controller."""
    found = routes({"gateway": {"enabled": True, "requestTimeout": wanted}})
    assert [spec["rules"][0].get("timeouts") for spec in found.values()] == [timeouts] * 2
    assert routes({"gateway": {"enabled": True}}).keys() == {"web-app", "dashboard"}


@pytest.mark.parametrize("wanted", [True, False])
def test_sessions_stick_to_a_dashboard_where_the_channel_can(wanted: bool) -> None:
    """Only the dashboard has sessions; the default is what the standard channel accepts."""
    found = routes({"gateway": {"enabled": True, "sessionPersistence": wanted}})
    assert found["dashboard"]["rules"][0].get("sessionPersistence") == ({"type": "Cookie"} if wanted else None)
    assert "sessionPersistence" not in found["web-app"]["rules"][0]
    assert "sessionPersistence" not in routes({"gateway": {"enabled": True}})["dashboard"]["rules"][0]


def test_an_ingress_names_no_controller_unless_told() -> None:
    """Class and annotations are values: the default fits any controller, ci/ has those of ingress-nginx."""
    (plain,) = of_kind(render({"ingress": {"enabled": True}}), "Ingress")
    assert "ingressClassName" not in plain["spec"]
    assert "annotations" not in plain["metadata"]
    (nginx,) = of_kind(render(values_of("ci/ingress-values")), "Ingress")
    assert nginx["spec"]["ingressClassName"] == "nginx"
    assert nginx["metadata"]["annotations"]["nginx.ingress.kubernetes.io/affinity"] == "cookie"
