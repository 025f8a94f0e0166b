"""CustomResourceDefinitions of others, without their schemas: an API server that has them takes any object of these kinds."""

from support.parts.controlplane import ControlPlane
from support.waiting import wait_until

MONITORING = ("ServiceMonitor", "PrometheusRule")


def install_monitoring_crds(plane: ControlPlane) -> None:
    """As if the Prometheus Operator were there: its two kinds that our manifests use."""
    for kind in MONITORING:
        plane.kubectl("apply", "-f", "-", input=_definition(kind))
        path = f"/apis/monitoring.coreos.com/v1/{kind.lower()}s"
        wait_until(lambda path=path: plane.request("GET", path).status == 200, what=kind)


def _definition(kind: str) -> str:
    plural = f"{kind.lower()}s"
    return f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  names: {{kind: {kind}, plural: {plural}, singular: {kind.lower()}}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
