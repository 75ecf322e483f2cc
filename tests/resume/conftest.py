"""The finished run of the workflow's tests, and copies of it to change."""

from tests.workflow.conftest import finished, workspace

__all__ = ["finished", "workspace"]
