"""Row 36: change dates, rights, owners and attributes of files, of its own and of others.

Base: reference
Loses: nothing
User: yes
"""
# ruff: noqa

for name, path in {**PLACES, "own": "layers.py", "device": "/dev/null"}.items():
    breach(f"date of {name}", lambda: os.utime(path, (0, 0)) or "touched")
    breach(f"rights of {name}", lambda: os.chmod(path, 0o777) or "changed")
    breach(f"owner of {name}", lambda: os.chown(path, 65534, 65534) or "changed")
    breach(f"attribute of {name}", lambda: os.setxattr(path, "user.x", b"x") or "set")
    breach(f"link to {name}", lambda: os.link(path, MARK) or "linked")
for number in (0, 1, 3):
    breach(f"rights of descriptor {number}", lambda: os.fchmod(number, 0o777) or "changed")
    breach(f"date of descriptor {number}", lambda: os.utime(number, (0, 0)) or "touched")
