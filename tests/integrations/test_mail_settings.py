import os
import subprocess
import sys
from pathlib import Path

PRINT = "from django.conf import settings; print(settings.EMAIL_FILE_PATH)"


def test_mails_without_a_server_are_files_in_the_data_folder(tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if name != "EMAIL_URL"}
    environment |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "leadflow.settings"}
    told = subprocess.run([sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()) == tmp_path / "mail"
