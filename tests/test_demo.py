import subprocess
import sys

from tests.conftest import DEMO


def test_the_demo_database_is_what_its_script_makes():
    made = subprocess.run([sys.executable, str(DEMO / "make_database.py")], capture_output=True, text=True, check=True)
    assert made.stdout == (DEMO / "database.fasta").read_text()
    assert made.stdout.count(">") == 364
