"""Small facts about files and where they are."""

import pytest

from ratecore.files import network_file_system

MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local ext4 rw 0 0
server:/data /my\\040data lustre rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/tmp/x", None), ("/home/me/results/x.db", "nfs4"), ("/home/local/x.db", None), ("/homes/x", None),
     ("/my data/x", "lustre")],
)  # fmt: skip
def test_network_file_systems(path, kind):
    assert network_file_system(path, MOUNTS) == kind
