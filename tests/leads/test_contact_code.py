"""What a contact's code says (L1). The reader is the browser's; node runs the same file."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

READER = Path(__file__).parents[2] / "static/leadflow/contact-code.js"

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not shutil.which("node"), reason="the journeys run the reader in a browser, too"),
]

CODES: list[tuple[str, str, dict[str, str] | None]] = [
    (
        "vCard 3.0 with escapes, a folded line, groups and several phones",
        (
            "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Petrova;Anna;;Dr.;\r\nFN:Dr. Anna Petrova\r\nORG:Smith\\, Jones\\; Co;Sales\r\n"
            "TITLE:Head of\r\n  Retail\r\nitem1.TEL;TYPE=WORK,FAX:+49 30 1\r\nTEL;TYPE=home:+49 30 2\r\n"
            "TEL;TYPE=CELL:+49 171 3\r\nitem2.EMAIL;TYPE=INTERNET:anna@client.example\r\nURL:https\\://client.example/anna\r\n"
            "NOTE:One\\nTwo\r\nEND:VCARD"
        ),
        {
            "name": "Dr. Anna Petrova",
            "company": "Smith, Jones; Co",
            "job_title": "Head of Retail",
            "phone": "+49 171 3",
            "email": "anna@client.example",
            "profile_url": "https://client.example/anna",
            "note": "One\nTwo",
        },
    ),
    (
        "vCard 2.1 in quoted-printable, over two lines, in the Cyrillic of Windows",
        (
            "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=windows-1251;ENCODING=QUOTED-PRINTABLE:=C8=E2=E0=ED=EE=E2;=CF=\n=B8=F2=F0\n"
            "TEL;CELL;PREF:8 (912) 345-67-89\nORG;QUOTED-PRINTABLE;CHARSET=UTF-8:=D0=A0=D0=BE=D0=B3=D0=B0 =D0=B8 =D0=BA\nEND:VCARD"
        ),
        {"name": "Пётр Иванов", "phone": "8 (912) 345-67-89", "company": "Рога и к"},
    ),
    (
        "vCard 4.0 with links for phones and a preference",
        (
            'BEGIN:VCARD\nVERSION:4.0\nFN:Олег 😀\nTEL;VALUE=uri;PREF=2;TYPE="voice,home":tel:+1-555-1;ext=5\n'
            'TEL;VALUE=uri;PREF=1;LABEL="a;b: c":tel:+1-555-2\nEMAIL:mailto:oleg@client.example\nEND:VCARD'
        ),
        {"name": "Олег 😀", "phone": "+1-555-2", "email": "oleg@client.example"},
    ),
    ("no end, no version", "begin:vcard\nfn:Anna", {"name": "Anna"}),
    ("a bad charset", "BEGIN:VCARD\nFN;CHARSET=nope;ENCODING=QUOTED-PRINTABLE:J=FCrgen", {"name": "Jürgen"}),
    ("an empty one", "BEGIN:VCARD\nVERSION:3.0\nEND:VCARD", None),
    (
        "MECARD",
        "MECARD:N:Petrova,Anna;TEL:+4930123;TEL:+4930999;EMAIL:a\\:b@client.example;ORG:A\\;B\\\\C;URL:client.example;;",
        {
            "name": "Anna Petrova",
            "phone": "+4930123",
            "email": "a:b@client.example",
            "company": "A;B\\C",
            "profile_url": "https://client.example/",
        },
    ),
    ("an e-mail", " anna@client.example ", {"email": "anna@client.example"}),
    ("mailto", "mailto:anna%2Bfair@client.example?subject=Hi", {"email": "anna+fair@client.example"}),
    ("a phone", "+49 (30) 123-456", {"phone": "+49 (30) 123-456"}),
    ("tel", "tel:+4930123456;ext=7", {"phone": "+4930123456"}),
    ("a link", "HTTPS://linkedin.example/in/anna", {"profile_url": "https://linkedin.example/in/anna"}),
    ("a bare link", "linkedin.example/in/anna", {"profile_url": "https://linkedin.example/in/anna"}),
    ("a script", "javascript:alert(1)", None),
    ("a script in a card", "BEGIN:VCARD\nFN:Anna\nURL:javascript:alert(1)", {"name": "Anna"}),
    ("a ticket", "T-2931 ROW 5", None),
    ("a network", "WIFI:S:fair;T:WPA;P:secret;;", None),
    ("control characters", "BEGIN:VCARD\nFN:A\x00n\x07na\nEND:VCARD", {"name": "A n na"}),
    ("nothing", "", None),
]


def test_codes_are_read_whatever_wrote_them():
    script = (
        "require(process.argv[1]); const codes = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "process.stdout.write(JSON.stringify(codes.map(readContactCode)))"
    )
    done = subprocess.run(
        ["node", "-e", script, str(READER)],
        input=json.dumps([code for _label, code, _read in CODES]),
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    read = dict(zip([label for label, _code, _read in CODES], json.loads(done.stdout), strict=True))
    assert read == {label: wanted for label, _code, wanted in CODES}
