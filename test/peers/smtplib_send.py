"""Sends message files to a gate with smtplib: smtplib_send.py PORT FILE... One JSON line a file on standard output."""

import json
import smtplib
import sys

port = int(sys.argv[1])
with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.net", timeout=20) as smtp:
    for path in sys.argv[2:]:
        with open(path, "rb") as file:
            message = file.read()
        options = [] if message.isascii() else ["BODY=8BITMIME"]
        try:
            refused = smtp.sendmail("sender@example.net", ["user@example.org"], message, options)
            print(json.dumps({"file": path, "code": 250, "refused": len(refused)}), flush=True)
        except smtplib.SMTPResponseException as error:
            text = error.smtp_error.decode("utf-8", "replace")
            print(json.dumps({"file": path, "code": error.smtp_code, "text": text}), flush=True)
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            print(json.dumps({"file": path, "code": code, "text": text.decode("utf-8", "replace")}), flush=True)
