"""docker/kubernetes, as far as it can be tried without a cluster."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands

from portal import __version__, env
from tests.stack import ROOT

FOLDER = ROOT / "docker" / "kubernetes"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
KUBERNETES = "1.33.0"
"""The oldest one that is still maintained."""
OF_OTHERS = {"PORTAL_HOST", "POD_IP", "FORWARDED_ALLOW_IPS"}
"""What ALLOWED_HOSTS is made of here, and what uvicorn reads."""


def documents(pattern: str = "*.yaml") -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.glob(pattern)):
        if file.name != "kustomization.yaml":
            yield from yaml.safe_load_all(file.read_text())


def pods() -> dict[str, dict[str, Any]]:
    """Returns each pod's template by the name of what makes it."""
    found = [one for one in documents() if "template" in one.get("spec", {})]
    return {one["metadata"]["name"]: one["spec"]["template"] for one in found}


def containers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, container)
        for name, pod in pods().items()
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    ]


def test_every_object_is_what_kubernetes_takes() -> None:
    for document in documents():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_the_list_has_every_file() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {file.name for file in MANIFESTS}
    scaling = yaml.safe_load((FOLDER / "scaling" / "kustomization.yaml").read_text())["resources"]
    assert {*scaling, "kustomization.yaml"} == {file.name for file in (FOLDER / "scaling").glob("*.yaml")}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl is installed")
def test_the_overlay_of_the_documentation_is_put_together(tmp_path: Path) -> None:
    (tmp_path / "docker").symlink_to(ROOT / "docker")
    [overlay] = re.findall(r"```yaml\n(# overlay/.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(overlay)
    done = subprocess.run(["kubectl", "kustomize", tmp_path / "overlay"], capture_output=True, text=True, check=True)
    made = list(yaml.safe_load_all(done.stdout))
    assert f"registry.example.org/whisper-portal-gpu:{__version__}" in done.stdout
    assert "portal.example.org" not in done.stdout
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in made if "template" in one.get("spec", {})]
    assert {one["app.kubernetes.io/part-of"] for one in labels} == {"whisper-portal"}


def test_every_variable_is_one_of_ours() -> None:
    files = "".join((FOLDER / name).read_text() for name in ("portal.env", "secret.example.env"))
    given = set(re.findall(r"^(\w+)=", files, re.MULTILINE))
    given |= {variable["name"] for _, container in containers() for variable in container["env"]}
    assert given - OF_OTHERS <= env.VARIABLES.keys()


def test_every_command_is_one_of_ours() -> None:
    commands = [container["command"] for _, container in containers() if "command" in container]
    images = (ROOT / "docker" / "Dockerfile").read_text()
    assert {command[2] for command in commands} | set(re.findall(r'"manage.py", "(\w+)"', images)) <= {*get_commands()}
    assert len(commands) == len(containers()) - 2  # web and gpuworker run what their images do


def test_what_selects_pods_finds_them() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods().values()]
    for document in documents():
        spec = document.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector")
        if isinstance(selector, dict):
            wanted = selector.get("matchLabels", selector)
            ours = {"app.kubernetes.io/part-of": "whisper-portal"}
            assert any(wanted.items() <= (label | ours).items() for label in labels), document["metadata"]


def test_a_pod_is_drained_within_its_grace() -> None:
    """It is the same as in docker/compose.yaml, and what a pod waits before it is told."""
    services = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    for name in ("web", "sweeper", "gpuworker"):
        assert pods()[name]["spec"]["terminationGracePeriodSeconds"] > int(services[name]["stop_grace_period"][:-1])


def test_no_container_may_more_than_it_must() -> None:
    for _name, container in containers():
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
    assert all(pod["spec"]["securityContext"]["runAsNonRoot"] for pod in pods().values())
    assert not any(pod["spec"]["automountServiceAccountToken"] for pod in pods().values())


def test_scaling_asks_for_metrics_that_there_are_and_scales_what_there_is() -> None:
    named = {(one["kind"], one["metadata"]["name"]) for one in documents()}
    code = "".join(file.read_text() for file in (ROOT / "portal").rglob("*metrics.py"))
    for scaled in documents("scaling/scaling.yaml"):
        target = scaled["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in named
        [query] = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
        [metric] = re.findall(r"(?:whisper|portal)_\w+", query)
        assert f'"{metric.removesuffix("_count")}"' in code
