"""Where the benchmarks find and leave things."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "benchmarks" / "peers"
RESULTS = ROOT / "benchmarks" / "results"
ROWS_FILE = ROOT / "data" / "test.json"

CACHE = ROOT / ".cache" / "bench"
BENTOML_HOME = CACHE / "home"
LOGS = CACHE / "log"
REFERENCE = CACHE / "reference.json"
PARTS = CACHE / "parts.json"

SOAK = ROOT / ".cache" / "soak"

# The project's own environment, which trains and says what the right answers are.
PROJECT_PYTHON = ROOT / ".venv" / "bin" / "python"


def shown(path: Path) -> str:
    """Path from the repository's root, fit for a table."""
    return str(path.relative_to(ROOT))
