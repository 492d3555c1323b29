"""What a measurement was made with."""

import subprocess

from pansophy.evaluation import provenance
from pansophy.evaluation.report import tables


def test_gpus_are_named_where_there_are_any(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\nprintf 'NVIDIA H100 80GB HBM3\\nNVIDIA H100 80GB HBM3\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    machine = provenance.machine()
    assert machine["gpus"] == ["NVIDIA H100 80GB HBM3"] * 2
    assert tables._machine(machine).endswith("GiB, NVIDIA H100 80GB HBM3, NVIDIA H100 80GB HBM3")


def test_no_gpu_is_claimed_where_the_tool_is_missing_or_fails(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "gpus" not in provenance.machine()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho no devices; exit 9\n")
    tool.chmod(0o755)
    assert subprocess.run([tool], check=False, capture_output=True).returncode == 9
    assert "gpus" not in provenance.machine()


def test_a_command_is_told_without_folders_and_by_its_name():
    assert provenance.command(["/opt/bin/pansophy", "bench", "--data=/data/set"]) == ["pansophy", "bench", "--data=set"]
    assert provenance.command([".venv/bin/pansophy", "bench"]) == ["pansophy", "bench"]
    assert provenance.command(["benchmarks/kid.py", "x"]) == ["benchmarks/kid.py", "x"]
    assert provenance.command(["/lib/pansophy/__main__.py", "bench"]) == ["pansophy", "bench"]
